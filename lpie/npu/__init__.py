"""Files compiled for the NPUs of phones, and run on the maker's own emulator."""
