//! Faults on the way: a transport around any other that loses, cuts, repeats and delays what passes.
