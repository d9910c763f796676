//! A library for C, loaded at run time: the functions of libipq(3), called as C programs call them.
//!
//! No safe crate can call functions of a library that is unknown at build time, so this file has
//! unsafe code. Each block says what it relies on. Nobody can know that the library's functions
//! have the signatures of libipq.h: the suite looks for broken libraries. So this code runs in a
//! process of its own, which may crash.

#![allow(
    unsafe_code,
    reason = "functions of a library that is loaded at run time are called, with pointers"
)]

use crate::world::{Call, Called, Function, HandleNumber, HandleState, Returned};
use libc::{c_char, c_int, c_uchar, c_uint, c_ulong, c_void, sockaddr_nl, ssize_t};
use libloading::Library;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{self, AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

/// The bytes that follow each read buffer. If they change, the library has written past the
/// buffer's end.
const GUARD: [u8; 64] = [0xa5; 64];
/// The interval in microseconds between signals during a call that signals are to interrupt.
const BETWEEN_SIGNALS: libc::suseconds_t = 20_000;

/// The `struct ipq_handle` of libipq.h (LIB-8).
#[repr(C)]
struct HandleInC {
    fd: c_int,
    blocking: u8,
    local: sockaddr_nl,
    peer: sockaddr_nl,
}

type Pointer = *mut HandleInC;

/// A loaded library, and the state of the program that uses it: handles, the last read buffer, and
/// open files.
pub(super) struct Loaded {
    library: Library,
    /// The addresses of the handles that the library gave. A handle's number is its place in this
    /// list, from 1.
    handles: Mutex<Vec<usize>>,
    buffer: Mutex<Vec<u8>>,
    files: Mutex<Vec<File>>,
}

/// The reason why a call has no result.
enum Wrong {
    /// The library has no function of this name.
    Missing(String),
    /// The library wrote past the end of a buffer.
    Overwrote,
    /// The call can't be made, for this reason.
    Unable(String),
}

impl From<rustix::io::Errno> for Wrong {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Unable(format!("no socket could be put before the library: {errno}"))
    }
}

impl Loaded {
    /// Loads the library with this name or path, as `dlopen` finds it.
    pub(super) fn open(name: &OsStr) -> Result<Self, libloading::Error> {
        // SAFETY: loading runs the library's constructors, as for everybody who links with it.
        let library = unsafe { Library::new(name) }?;
        Ok(Self {
            library,
            handles: Mutex::default(),
            buffer: Mutex::default(),
            files: Mutex::default(),
        })
    }

    /// Returns the first function that the library lacks of those that every case needs; `None` if
    /// it has them all.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        let needed = ["ipq_create_handle", "ipq_errstr"];
        let mut needed = needed.into_iter();
        needed.find(|name| self.function::<unsafe extern "C" fn()>(name).is_err())
    }

    /// Makes a call on this thread, with signals during the call if it asks for them. Returns the
    /// call's results with errno and the library's error text, or the reason why there are none.
    pub(super) fn call(&self, call: &Call) -> Called {
        let mut returned = Returned::default();
        if call.signals {
            signals(BETWEEN_SIGNALS);
        }
        set_errno(call.errno);
        let value = self.value(&call.function, &mut returned);
        let errno = errno();
        if call.signals {
            signals(0);
        }
        match value.and_then(|value| Ok((value, self.text()?))) {
            Ok((value, text)) => Called::Returned(Returned {
                value,
                errno: Some(errno),
                text,
                ..returned
            }),
            Err(Wrong::Missing(name)) => Called::Missing(name),
            Err(Wrong::Overwrote) => Called::Overwrote,
            Err(Wrong::Unable(why)) => Called::Unable(why),
        }
    }

    fn value(&self, function: &Function, returned: &mut Returned) -> Result<i64, Wrong> {
        let name = function.name();
        Ok(match function {
            Function::CreateHandle { flags, protocol } => {
                let create = self.function::<unsafe extern "C" fn(c_uint, c_uint) -> Pointer>(name)?;
                // SAFETY: the function takes two numbers.
                self.keep(unsafe { create(*flags, *protocol) })
            }
            Function::DestroyHandle { handle } => {
                let destroy = self.function::<unsafe extern "C" fn(Pointer) -> c_int>(name)?;
                // SAFETY: NULL, or a pointer that the library gave and that was not destroyed,
                // which is a case's duty.
                unsafe { destroy(self.pointer(*handle)) }.into()
            }
            Function::SetMode { handle, mode, range } => {
                let set_mode = self.function::<unsafe extern "C" fn(Pointer, u8, usize) -> c_int>(name)?;
                // SAFETY: NULL or a live handle, and two numbers.
                unsafe { set_mode(self.pointer(*handle), *mode, *range as usize) }.into()
            }
            Function::Read {
                handle,
                length,
                timeout,
            } => self.read(*handle, *length as usize, *timeout, returned)?,
            Function::ReadForged {
                handle,
                length,
                datagram,
            } => {
                self.forge(*handle, datagram)?;
                self.read(*handle, *length as usize, -1, returned)?
            }
            Function::SetVerdict {
                handle,
                packet_id,
                verdict,
                data_length,
                payload,
            } => {
                type SetVerdict = unsafe extern "C" fn(Pointer, c_ulong, c_uint, usize, *mut c_uchar) -> c_int;
                let set_verdict = self.function::<SetVerdict>(name)?;
                let mut payload = payload.as_ref().map(|payload| payload.to_vec());
                let bytes = payload.as_mut().map_or(std::ptr::null_mut(), Vec::as_mut_ptr);
                let length = *data_length as usize;
                // SAFETY: NULL or a live handle; NULL or a payload that lives until the call is
                // over, and that is at least `length` bytes long, which is a case's duty.
                unsafe { set_verdict(self.pointer(*handle), *packet_id as c_ulong, *verdict, length, bytes) }.into()
            }
            Function::MessageType | Function::MessageError => {
                let look = self.function::<unsafe extern "C" fn(*const c_uchar) -> c_int>(name)?;
                // SAFETY: the buffer is that of the last read, with 64 bytes or more, and lives
                // until the call is over. That there was a read is a case's duty.
                self.with_buffer(|buffer| unsafe { look(buffer) }.into())
            }
            Function::Packet => {
                let look = self.function::<unsafe extern "C" fn(*const c_uchar) -> *mut c_void>(name)?;
                // SAFETY: the buffer is that of the last read, with 64 bytes or more, and lives
                // until the call is over. That there was a read is a case's duty.
                let packet = |buffer| unsafe { look(buffer) };
                self.with_buffer(|buffer| packet(buffer).addr().wrapping_sub(buffer.addr()).cast_signed() as i64)
            }
            Function::Control { handle, request } => {
                let control = self.function::<unsafe extern "C" fn(Pointer, c_int, ...) -> c_int>(name)?;
                // SAFETY: NULL or a live handle, and a number.
                unsafe { control(self.pointer(*handle), *request) }.into()
            }
            Function::ErrorText => 0,
            Function::PrintError { prefix } => {
                let print = self.function::<unsafe extern "C" fn(*const c_char)>(name)?;
                let prefix = prefix.as_deref().map(CString::new).and_then(Result::ok);
                let prefix = prefix.as_ref().map_or(std::ptr::null(), |prefix| prefix.as_ptr());
                // SAFETY: NULL or a C string that lives until the call is over.
                unsafe { print(prefix) };
                0
            }
            Function::Inspect { handle } => {
                returned.public = self.public(*handle);
                0
            }
            Function::Occupy { below } => self.occupy(*below),
        })
    }

    /// Returns the library's function of this name, which must have the type `F`; an error if there
    /// is none.
    fn function<F: Copy>(&self, name: &str) -> Result<F, Wrong> {
        // SAFETY: the library's function of this name has the signature that libipq.h gives it,
        // which is `F`. If it has another, only this process is harmed.
        let found = unsafe { self.library.get::<F>(name.as_bytes()) };
        found.map(|symbol| *symbol).map_err(|_| Wrong::Missing(name.to_owned()))
    }

    fn read(&self, handle: HandleNumber, length: usize, timeout: c_int, returned: &mut Returned) -> Result<i64, Wrong> {
        let read = self.function::<unsafe extern "C" fn(Pointer, *mut c_uchar, usize, c_int) -> ssize_t>("ipq_read")?;
        let mut buffer = [vec![0; length], GUARD.to_vec()].concat();
        // SAFETY: NULL or a live handle; `length` bytes to be written to, which live until the call
        // is over.
        let value = unsafe { read(self.pointer(handle), buffer.as_mut_ptr(), length, timeout) };
        if buffer[length..] != GUARD {
            return Err(Wrong::Overwrote);
        }
        if let Some(bytes) = usize::try_from(value)
            .ok()
            .and_then(|read| buffer.get(..read.min(length)))
        {
            returned.bytes = bytes.to_vec().into();
        }
        let errno = errno();
        *lock(&self.buffer) = buffer;
        set_errno(errno);
        Ok(value as i64)
    }

    /// Replaces the handle's socket by another one, on which `datagram` waits to be read.
    fn forge(&self, handle: HandleNumber, datagram: &[u8]) -> Result<(), Wrong> {
        let flags = SocketFlags::CLOEXEC;
        let (near, far) = net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        net::send(&far, datagram, SendFlags::empty())?;
        let (from, to) = (near.as_raw_fd(), self.descriptor(handle));
        // SAFETY: the descriptor is the library's. A program that has the structure may do this to
        // it (LIB-8): the descriptor stays open, and the library closes it. Not by dup2, so that
        // the object of ipq-preload still takes the descriptor for its own.
        if unsafe { libc::syscall(libc::SYS_dup3, from, to, 0) } < 0 {
            return Err(Wrong::Unable(io::Error::last_os_error().to_string()));
        }
        lock(&self.files).extend([near, far].map(File::from));
        set_errno(0);
        Ok(())
    }

    /// Returns the descriptor in a handle's structure; -1 for NULL.
    fn descriptor(&self, handle: HandleNumber) -> c_int {
        self.public(handle).map_or(-1, |public| public.descriptor)
    }

    fn with_buffer(&self, look: impl FnOnce(*const c_uchar) -> i64) -> i64 {
        look(lock(&self.buffer).as_ptr())
    }

    fn text(&self) -> Result<String, Wrong> {
        let error_text = self.function::<unsafe extern "C" fn() -> *const c_char>("ipq_errstr")?;
        // SAFETY: the function takes nothing.
        let text = unsafe { error_text() };
        if text.is_null() {
            return Ok(String::new());
        }
        // SAFETY: the library's text is a C string that stays until the next call.
        Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }

    /// Keeps a handle that the library gave, and returns its number; 0 for NULL.
    fn keep(&self, handle: Pointer) -> i64 {
        if handle.is_null() {
            return 0;
        }
        let errno = errno();
        let mut handles = lock(&self.handles);
        handles.push(handle.expose_provenance());
        set_errno(errno);
        handles.len().cast_signed() as i64
    }

    fn pointer(&self, HandleNumber(number): HandleNumber) -> Pointer {
        let handles = lock(&self.handles);
        let address = (number as usize)
            .checked_sub(1)
            .and_then(|index| handles.get(index))
            .copied();
        address.map_or(std::ptr::null_mut(), std::ptr::with_exposed_provenance_mut)
    }

    fn public(&self, handle: HandleNumber) -> Option<HandleState> {
        let pointer = self.pointer(handle);
        if pointer.is_null() {
            return None;
        }
        // SAFETY: a live handle of the library's, which begins with the structure of libipq.h
        // (LIB-8).
        let HandleInC { fd, local, peer, .. } = unsafe { pointer.read_unaligned() };
        let readable = fd >= 0 && {
            // SAFETY: no other code here closes a descriptor of the library's, and it is not used
            // after this.
            let descriptor = unsafe { BorrowedFd::borrow_raw(fd) };
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)], Some(&now)) == Ok(1)
        };
        Some(HandleState {
            descriptor: fd,
            local: (local.nl_family, local.nl_pid),
            peer: (peer.nl_family, peer.nl_pid),
            readable,
        })
    }

    /// Opens files until all descriptors below `below` are in use: see [`Function::Occupy`].
    /// Returns the last file's descriptor; -1 if there can't be so many.
    fn occupy(&self, below: u32) -> i64 {
        let limit = getrlimit(Resource::Nofile);
        // The result below shows whether the limit is too low.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        );
        let mut files = lock(&self.files);
        loop {
            match File::open("/dev/null") {
                Ok(file) if i64::from(file.as_raw_fd()) + 1 >= below.into() => {
                    let last = file.as_raw_fd();
                    files.push(file);
                    return last.into();
                }
                Ok(file) => files.push(file),
                Err(_) => return -1,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or_default()
}

fn set_errno(errno: c_int) {
    // SAFETY: the pointer is to this thread's errno, which lives as long as the thread.
    unsafe { *libc::__errno_location() = errno };
}

/// Makes SIGALRM come every `between` microseconds, or stops it if `between` is 0. The handler does
/// nothing, and interrupted calls are not restarted.
fn signals(between: libc::suseconds_t) {
    extern "C" fn handler(_: c_int) {}
    let interval = libc::timeval {
        tv_sec: 0,
        tv_usec: between,
    };
    let timer = libc::itimerval {
        it_interval: interval,
        it_value: interval,
    };
    // SAFETY: all zeros is a value of the structure: no flags, and an empty mask. The handler
    // touches nothing, so it may come at any time; it stays installed, so a signal that is late
    // finds it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut());
    }
}
