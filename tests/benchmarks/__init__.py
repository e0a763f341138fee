"""Each benchmark runs at its smallest: that it runs, and that its figures are there and can be true."""
