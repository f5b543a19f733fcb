"""What tests of several folders share: example events, and histories of one report at a stage."""
