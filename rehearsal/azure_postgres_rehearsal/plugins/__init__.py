"""Provider plugins that stand in for the cloud's: the engine starts them as it starts real ones.

Each speaks Pulumi's provider protocol (`protocol`) and keeps the semantics of the plugin it stands
in for, its refusals and its fights included: what works only here would be worth nothing.
"""
