"""One file a rule. The rules know the components by their type names only."""
