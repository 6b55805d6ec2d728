//! Against the real server, and against one that misbehaves.

mod faults;
mod injection;
mod judged;
mod model;
mod real;
mod stub;
