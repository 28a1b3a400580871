//! Making, checking and removing what the connector needs in the database (to be written).
