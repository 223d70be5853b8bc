"""What the repository is: the chain, its files, what is made from them and kept about them."""
