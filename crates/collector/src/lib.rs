//! Service: sources to protobuf batches on the bus.
