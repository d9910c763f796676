//! The kernel side of `ip_queue`, in memory.
