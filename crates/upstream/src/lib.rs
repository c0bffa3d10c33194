//! A stored connection, opened: its two clients, with budgets and secrets in place.
