//! Against the real server, and against one that misbehaves.

mod faults;
mod injection;
mod judged;
mod model;
mod outage;
mod real;
mod stub;
