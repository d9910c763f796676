//! libipq for C: the functions of libipq(3), over the same [`Handle`] that Rust programs use.
//!
//! Arguments from C are checked where they can be: a pointer that is no handle is error 1 with
//! errno EBADF, and NULL where a buffer is needed is error 1 with errno EFAULT. No function starts
//! a thread. Programs fork with a handle, and jump out of `ipq_read` from signal handlers: so while
//! a call waits, no lock is held and no destructor is pending. The C header is `include/libipq.h`.

#![allow(unsafe_code, reason = "C passes pointers")]

mod last_error;
mod live;
mod settings;
mod side;

use crate::errno::Errno;
use crate::error_number::ErrorNumber;
use crate::family::Family;
use crate::handle::{Error, Handle};
use crate::transport::{Transport, TransportError, Wait};
use crate::wire::{Abi, CopyMode, ErrorMessage, Header, PacketId, Verdict, VerdictRequest};
use side::{NoSide, Side};
use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_ulong, c_void};
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// The part of `struct ipq_handle` that C programs see (LIB-8). The library fills it once and never
/// reads it, so a program that writes to it changes nothing else.
#[repr(C)]
struct Public {
    fd: c_int,
    blocking: u8,
    local: libc::sockaddr_nl,
    peer: libc::sockaddr_nl,
}

/// The whole handle behind a C program's pointer: first the part that the program sees, then the
/// Rust handle.
#[repr(C)]
struct Whole {
    public: Public,
    handle: Handle<Box<dyn Side>>,
}

/// `struct ipq_handle *ipq_create_handle(u_int32_t flags, u_int32_t protocol)`: opens the queue of
/// the family `protocol`, 2 for IPv4 or 10 for IPv6 (LIB-1). The environment variable
/// `IPQ_TRANSPORT` names the transport; without it, the queue is one of the kernel. `flags` is
/// ignored. Returns the handle, or NULL for an error, which becomes this thread's last error and,
/// if it has a number for errno, sets errno.
#[unsafe(no_mangle)]
extern "C" fn ipq_create_handle(_flags: u32, protocol: u32) -> *mut Public {
    let saved = errno();
    let created = create(protocol);
    set_errno(saved);
    match created {
        Ok(handle) => handle,
        Err(NoSide { number, errno, detail }) => {
            match detail {
                Some(detail) => last_error::set_with_detail(number, &detail),
                None => last_error::set(number),
            }
            if errno != Errno(0) {
                set_errno(errno);
            }
            std::ptr::null_mut()
        }
    }
}

fn create(protocol: u32) -> Result<*mut Public, NoSide> {
    let plain = |number, errno| NoSide {
        number,
        errno,
        detail: None,
    };
    let family = Family::from_protocol_family(protocol).ok_or(plain(ErrorNumber::InvalidProtocol, Errno(0)))?;
    let transport = side::open(std::env::var_os("IPQ_TRANSPORT").as_deref(), family)?;
    let address = |port_id| {
        // SAFETY: a structure of integers, for which all zeros is a value.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_pid = port_id;
        address
    };
    let whole = Box::into_raw(Box::new(Whole {
        public: Public {
            fd: transport.as_fd().as_raw_fd(),
            blocking: 1,
            local: address(transport.port_id().0),
            peer: address(0),
        },
        handle: Handle::new(transport),
    }));
    if !live::insert(whole.addr()) {
        // SAFETY: the pointer was made from a box a moment ago, and nobody else has it.
        drop(unsafe { Box::from_raw(whole) });
        return Err(plain(ErrorNumber::CreateHandle, Errno::ENOMEM));
    }
    Ok(whole.cast())
}

/// `int ipq_destroy_handle(struct ipq_handle *h)`: closes a handle and frees it. Does nothing for
/// NULL. Returns 0, also for NULL (LIB-9), and -1 for another pointer that is no live handle.
#[unsafe(no_mangle)]
extern "C" fn ipq_destroy_handle(handle: *mut Public) -> c_int {
    if handle.is_null() {
        return 0;
    }
    if !live::remove(handle.addr()) {
        return no_handle() as c_int;
    }
    let saved = errno();
    // SAFETY: the address was in the table of live handles, where only `create` puts addresses,
    // each of a box. Of all calls that remove it from there, one succeeds. It is the program's
    // duty, as with libipq, that no other thread is using the handle.
    drop(unsafe { Box::from_raw(whole(handle).cast_mut()) });
    set_errno(saved);
    0
}

/// `ssize_t ipq_read(const struct ipq_handle *h, unsigned char *buf, size_t len, int timeout)`:
/// reads one message into `buf`. Waits for `timeout` microseconds at most; 0 waits for ever, unless
/// the program has made the descriptor non-blocking, and a negative number does not wait. Returns
/// the message's length in bytes, 0 for a time-out or for a signal during a wait that is not for
/// ever, and -1 for an error (LIB-3): among others a buffer of less than 20 bytes, a message that
/// was cut, and a sender that is not the kernel.
#[unsafe(no_mangle)]
extern "C" fn ipq_read(handle: *const Public, buffer: *mut c_uchar, length: usize, timeout: c_int) -> isize {
    let Some(handle) = find(handle) else {
        return no_handle();
    };
    if buffer.is_null() && length >= ErrorMessage::BYTES {
        return no_buffer();
    }
    let buffer: &mut [u8] = if buffer.is_null() {
        &mut []
    } else {
        // SAFETY: the caller promises `length` bytes at `buffer` that may be written, until this
        // call is over. They are written, and never read before that. No slice is longer than
        // isize::MAX.
        unsafe { std::slice::from_raw_parts_mut(buffer, length.min(isize::MAX.unsigned_abs())) }
    };
    let saved = errno();
    let result = match u64::try_from(timeout) {
        Err(_) => handle.read_datagram(buffer, Wait::Never),
        Ok(0) => read_as_the_descriptor_says(handle, buffer),
        Ok(microseconds) => handle.read_datagram(buffer, Wait::For(Duration::from_micros(microseconds))),
    };
    set_errno(saved);
    match result {
        Ok(read) => read.cast_signed(),
        // A time-out returns 0, and errno stays as it was (LIB-3).
        Err(error @ Error::TimedOut) => {
            fail(&error);
            0
        }
        Err(Error::Interrupted { forever: false }) => {
            set_errno(Errno::EINTR);
            0
        }
        Err(error) => fail(&error),
    }
}

/// Reads one datagram for an `ipq_read` with time-out 0. If none is there, waits for ever; but if
/// the program has made the descriptor non-blocking, returns the error of `recv(2)` at once, which
/// becomes errno EAGAIN (LIB-3).
fn read_as_the_descriptor_says(handle: &Handle<Box<dyn Side>>, buffer: &mut [u8]) -> Result<usize, Error> {
    match handle.read_datagram(buffer, Wait::Never) {
        Err(Error::TimedOut) if is_non_blocking(handle.transport()) => Err(Error::Receive(TransportError::TimedOut)),
        Err(Error::TimedOut) => handle.read_datagram(buffer, Wait::Forever),
        read => read,
    }
}

fn is_non_blocking(side: &dyn AsFd) -> bool {
    // SAFETY: the call takes no pointer, and changes nothing.
    let flags = unsafe { libc::fcntl(side.as_fd().as_raw_fd(), libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// `int ipq_set_mode(const struct ipq_handle *h, u_int8_t mode, size_t len)`: asks the queue to set
/// the copy mode, and the copy range to `len` bytes; any `mode` is sent as it is. Returns the
/// number of bytes sent, or -1 if the message was not sent whole (LIB-2). If the queue refuses, a
/// later `ipq_read` reads the error.
#[unsafe(no_mangle)]
extern "C" fn ipq_set_mode(handle: *const Public, mode: u8, range: usize) -> c_int {
    let Some(handle) = find(handle) else {
        return no_handle() as c_int;
    };
    sent(|| handle.set_mode(CopyMode::from_wire(mode), range as u64))
}

/// `int ipq_set_verdict(const struct ipq_handle *h, ipq_id_t id, unsigned int verdict, size_t
/// data_len, unsigned char *buf)`: gives a verdict on packet `id`, with the `data_len` bytes at
/// `buf` as its replacement. If `buf` is NULL no bytes are sent, and `data_len` is stated all the
/// same (LIB-11). Returns the number of bytes sent, or -1 if the message was not sent whole
/// (LIB-2). If the queue refuses, a later `ipq_read` reads the error.
#[unsafe(no_mangle)]
extern "C" fn ipq_set_verdict(
    handle: *const Public,
    packet_id: c_ulong,
    verdict: c_uint,
    data_length: usize,
    buffer: *const c_uchar,
) -> c_int {
    let Some(handle) = find(handle) else {
        return no_handle() as c_int;
    };
    let payload: &[u8] = if buffer.is_null() || data_length == 0 {
        &[]
    } else {
        // SAFETY: the caller promises `data_length` bytes at `buffer`, until this call is over. No
        // slice is longer than isize::MAX.
        unsafe { std::slice::from_raw_parts(buffer, data_length.min(isize::MAX.unsigned_abs())) }
    };
    let request = VerdictRequest {
        verdict: Verdict::from_wire(verdict),
        packet_id: PacketId(widen(packet_id)),
        data_len: data_length as u64,
    };
    sent(|| handle.send_verdict(request, payload))
}

/// `int ipq_message_type(const unsigned char *buf)`: returns the type of the message in a buffer
/// that `ipq_read` filled. Returns -1 for NULL.
#[unsafe(no_mangle)]
extern "C" fn ipq_message_type(buffer: *const c_uchar) -> c_int {
    match header(buffer) {
        Some(header) => header.message_type.to_wire().into(),
        None => no_buffer() as c_int,
    }
}

/// `ipq_packet_msg_t *ipq_get_packet(const unsigned char *buf)`: returns a pointer to the packet
/// message in a buffer that `ipq_read` filled: 16 bytes in, after the netlink header. Does not
/// check that the message is a packet. Returns NULL for NULL.
#[unsafe(no_mangle)]
extern "C" fn ipq_get_packet(buffer: *const c_uchar) -> *mut c_void {
    if buffer.is_null() {
        no_buffer();
        return std::ptr::null_mut();
    }
    buffer.wrapping_add(Header::BYTES).cast_mut().cast()
}

/// `int ipq_get_msgerr(const unsigned char *buf)`: returns the error number of the error message in
/// a buffer that `ipq_read` filled: positive, or 0 for an acknowledgement (ERR-4). Does not check
/// that the message is an error message. Returns -1 for NULL.
#[unsafe(no_mangle)]
extern "C" fn ipq_get_msgerr(buffer: *const c_uchar) -> c_int {
    if buffer.is_null() {
        return no_buffer() as c_int;
    }
    // SAFETY: the program must pass a buffer that `ipq_read` filled (LIB-4). `ipq_read` takes none
    // that is shorter than the 20 bytes of an error message (LIB-3). 4 bytes at offset 16 are part
    // of them, and may be unaligned.
    let error = unsafe { buffer.add(Header::BYTES).cast::<c_int>().read_unaligned() };
    error.wrapping_neg()
}

/// `int ipq_ctl(const struct ipq_handle *h, int request, ...)`: always returns 1 (LIB-9). Arguments
/// after the two named ones are ignored, which every C calling convention of Linux allows.
#[unsafe(no_mangle)]
extern "C" fn ipq_ctl(_handle: *const Public, _request: c_int) -> c_int {
    1
}

/// `char *ipq_errstr(void)`: returns the text of this thread's last error, or "Unknown error" if
/// there was none, with a NUL at its end (LIB-5). A failed `ipq_create_handle` may have added a
/// colon and a detail. The text is valid until the thread's next error.
#[unsafe(no_mangle)]
extern "C" fn ipq_errstr() -> *mut c_char {
    last_error::text()
}

/// `void ipq_perror(const char *s)`: writes one line to standard error: `s`, or "ERROR" if `s` is
/// NULL; then the text of this thread's last error, if there was one; then the text of errno, if
/// errno is not 0 (LIB-6). A colon and a space stand before the second and the third.
#[unsafe(no_mangle)]
extern "C" fn ipq_perror(prefix: *const c_char) {
    let saved = errno();
    let prefix = if prefix.is_null() {
        c"ERROR"
    } else {
        // SAFETY: the caller passes a C string.
        unsafe { CStr::from_ptr(prefix) }
    };
    let mut line = Vec::from(prefix.to_bytes());
    if last_error::number() != 0 {
        // SAFETY: the text ends with a NUL, and stays until this thread's next error.
        let text = unsafe { CStr::from_ptr(last_error::text()) };
        line.extend(b": ");
        line.extend(text.to_bytes());
    }
    if saved != Errno(0) {
        // SAFETY: strerror returns a C string, which stays until this thread's next call of it.
        let text = unsafe { CStr::from_ptr(libc::strerror(saved.0)) };
        line.extend(b": ");
        line.extend(text.to_bytes());
    }
    line.push(b'\n');
    // If standard error is closed, there is nowhere to report the failure.
    let _ = std::io::stderr().write_all(&line);
    set_errno(saved);
}

/// Returns the handle behind the pointer that a C program passes. Returns `None` if the pointer is
/// no live handle.
fn find<'a>(handle: *const Public) -> Option<&'a Handle<Box<dyn Side>>> {
    // SAFETY: the address is in the table of live handles, so there is a `Whole` at it, made by
    // `create`. It stays until the program destroys it, which the program must not do while another
    // of its threads uses it. Programs may write to the public part; only the other part is
    // borrowed.
    live::contains(handle.addr()).then(|| unsafe { &(*whole(handle)).handle })
}

/// Casts a C program's pointer back to the whole handle that `create` allocated. The alignment is
/// right for every pointer that `create` returned.
#[allow(
    clippy::cast_ptr_alignment,
    reason = "only called with what was cast from the stricter type"
)]
fn whole(handle: *const Public) -> *const Whole {
    handle.cast()
}

/// Calls `send`, and returns the number of bytes sent, or -1 for an error. An error changes this
/// thread's last error and errno as [`fail`] says. Success leaves both as they were.
fn sent(send: impl FnOnce() -> Result<usize, Error>) -> c_int {
    let saved = errno();
    let result = send();
    set_errno(saved);
    match result {
        Ok(bytes) => c_int::try_from(bytes).unwrap_or(c_int::MAX),
        Err(error) => fail(&error) as c_int,
    }
}

/// Makes `error` this thread's last error, if libipq has a number for it. Sets errno for a signal,
/// an overrun or a transport's failure other than a deadlock, and leaves it alone for other errors.
/// Returns -1.
fn fail(error: &Error) -> isize {
    if let Some(number) = error.number() {
        last_error::set(number);
    }
    match error {
        Error::Interrupted { .. } => set_errno(Errno::EINTR),
        Error::Overrun => set_errno(Errno::ENOBUFS),
        Error::Receive(cause) | Error::Send(cause) => match cause {
            TransportError::System(errno) => set_errno(*errno),
            TransportError::Interrupted => set_errno(Errno::EINTR),
            TransportError::Overrun => set_errno(Errno::ENOBUFS),
            TransportError::TimedOut => set_errno(Errno::EAGAIN),
            TransportError::Closed => set_errno(Errno::ENOTCONN),
            TransportError::Untranslatable(_) => set_errno(Errno::EIO),
            TransportError::Deadlock => {}
        },
        _ => {}
    }
    -1
}

fn no_handle() -> isize {
    last_error::set(ErrorNumber::Implementation);
    set_errno(Errno::EBADF);
    -1
}

fn no_buffer() -> isize {
    last_error::set(ErrorNumber::Implementation);
    set_errno(Errno::EFAULT);
    -1
}

fn header(buffer: *const c_uchar) -> Option<Header> {
    if buffer.is_null() {
        return None;
    }
    // SAFETY: `ipq_read` filled the buffer with a message, which begins with a header's 16 bytes
    // (LIB-3, LIB-4).
    let bytes = unsafe { buffer.cast::<[u8; Header::BYTES]>().read_unaligned() };
    Header::parse(&bytes, Abi::NATIVE)
}

/// Widens an `unsigned long`, which has 32 bits on some machines, to 64 bits.
#[allow(clippy::useless_conversion, reason = "it is one where the word has 32 bits")]
fn widen(word: c_ulong) -> u64 {
    u64::from(word)
}

fn errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or_default())
}

fn set_errno(errno: Errno) {
    // SAFETY: the pointer is to this thread's errno, which lives as long as the thread.
    unsafe { *libc::__errno_location() = errno.0 }
}
