"""Many photos: which ones, where the results go, what is done already, and the loop over them."""
