"""Who is who: members and their capacities, contacts, agreements, credentials, holdings and standing."""
