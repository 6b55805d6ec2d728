//! Against real servers, and against one that does what a test wants.

mod admin;
mod faults;
mod outages;
mod policies;
mod real;
mod stub;
