//! Service: bus to event-time windows, enrichment and routing, to the stores.
