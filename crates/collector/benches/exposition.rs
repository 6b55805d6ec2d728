//! Reading of a real cAdvisor scrape, against the fastest public parser that is a crate.

fn main() {}
