"""Step times from measured operators (aiconfigurator-core), where there are any of a set-up; an optional extra."""
