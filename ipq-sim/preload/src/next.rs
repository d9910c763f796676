//! Looks up the C library's own functions, to which this object's functions pass calls on. Each is
//! looked up at its first use.

use libc::{FILE, c_char, c_int, c_void, msghdr, size_t, sockaddr, socklen_t, ssize_t};
use std::sync::atomic::{AtomicPtr, Ordering};

macro_rules! next {
    ($($name:ident: $signature:ty = $symbol:literal;)*) => {
        $(
            /// Returns the C library's own function of this name. Panics if the C library has none.
            pub(super) fn $name() -> $signature {
                static FOUND: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
                let mut found = FOUND.load(Ordering::Relaxed);
                if found.is_null() {
                    // SAFETY: the name is a C string; looking it up changes nothing.
                    found = unsafe { libc::dlsym(libc::RTLD_NEXT, $symbol.as_ptr()) };
                    assert!(!found.is_null(), "the C library has no {}", stringify!($name));
                    FOUND.store(found, Ordering::Relaxed);
                }
                // SAFETY: the C library's function of that name has this signature.
                unsafe { std::mem::transmute::<*mut c_void, $signature>(found) }
            }
        )*
    };
}

next! {
    socket: unsafe extern "C" fn(c_int, c_int, c_int) -> c_int = c"socket";
    bind: unsafe extern "C" fn(c_int, *const sockaddr, socklen_t) -> c_int = c"bind";
    connect: unsafe extern "C" fn(c_int, *const sockaddr, socklen_t) -> c_int = c"connect";
    getsockname: unsafe extern "C" fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int = c"getsockname";
    getpeername: unsafe extern "C" fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int = c"getpeername";
    sendto: unsafe extern "C" fn(c_int, *const c_void, size_t, c_int, *const sockaddr, socklen_t) -> ssize_t = c"sendto";
    sendmsg: unsafe extern "C" fn(c_int, *const msghdr, c_int) -> ssize_t = c"sendmsg";
    recvfrom: unsafe extern "C" fn(c_int, *mut c_void, size_t, c_int, *mut sockaddr, *mut socklen_t) -> ssize_t = c"recvfrom";
    recvmsg: unsafe extern "C" fn(c_int, *mut msghdr, c_int) -> ssize_t = c"recvmsg";
    setsockopt: unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, socklen_t) -> c_int = c"setsockopt";
    getsockopt: unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int = c"getsockopt";
    dup2: unsafe extern "C" fn(c_int, c_int) -> c_int = c"dup2";
    dup3: unsafe extern "C" fn(c_int, c_int, c_int) -> c_int = c"dup3";
    close: unsafe extern "C" fn(c_int) -> c_int = c"close";
    open: unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int = c"open";
    openat: unsafe extern "C" fn(c_int, *const c_char, c_int, ...) -> c_int = c"openat";
    fopen: unsafe extern "C" fn(*const c_char, *const c_char) -> *mut FILE = c"fopen";
    access: unsafe extern "C" fn(*const c_char, c_int) -> c_int = c"access";
}
