"""Train what intake screens with, from the sample texts, and measure it honestly."""
