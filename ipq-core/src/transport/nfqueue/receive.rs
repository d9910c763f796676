//! Receiving: [`one`] datagram, or [`many`] with one system call.

mod many;
mod one;
