"""How the rules see a stack: values, resources, servers and databases, whoever declares them."""
