// Lets functions without a body stand beside the others.
