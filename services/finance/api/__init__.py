"""HTTP of finance: parse, call, answer. No rules of money here."""

from services.finance.api import accounts, entries

BLUEPRINTS = (accounts.blueprint, accounts.members, accounts.trial_balance, entries.blueprint)
