"""The demo: a real year of one kabupaten's reports, acted out on the public topics."""
