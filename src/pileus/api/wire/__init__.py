"""Wire types: the published shapes of bodies and answers, one module per noun. They contain no rules."""
