"""How an agency begins: the set-up code of an empty installation, sign-up, and the agency with its owner."""
