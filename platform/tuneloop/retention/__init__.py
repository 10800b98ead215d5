"""What is deleted once nobody needs it: old answers, jobs, sessions, links, receipts, mails."""
