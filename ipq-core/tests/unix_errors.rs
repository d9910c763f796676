//! Tests of the error when no emulator answers at a path. It says whether an emulator is there, and
//! in most cases what to do.

#![cfg(target_os = "linux")]

use ipq_core::Family;
use ipq_core::transport::unix::{OpenError, Unix};
use pretty_assertions::assert_eq;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Gid, Uid};
use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Returns a path for the socket of the test `name`, with no file there.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ipq-core-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// Returns the text of the error from opening a queue at `path`, with `PATH` in place of the path.
fn said(path: &Path) -> String {
    let error = Unix::open(path, Family::Ipv4).expect_err("there is no emulator");
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    error.to_string().replace(&path.display().to_string(), "PATH")
}

/// Returns a socket of the type that an emulator uses, which listens at `path`.
fn listener(path: &Path) -> OwnedFd {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let socket = socket.expect("a socket");
    rustix::net::bind(&socket, &SocketAddrUnix::new(path).expect("a path")).expect("it is bound");
    rustix::net::listen(&socket, 8).expect("it listens");
    socket
}

#[test]
fn where_nothing_is_an_emulator_can_be_started() {
    assert_eq!(
        said(&path("nothing")),
        "no emulator answers at PATH: No such file or directory (ENOENT, 2); start one with `ipq-sim serve --socket PATH`"
    );
}

#[test]
fn an_emulator_that_has_ended_is_told_from_one_that_never_was() {
    let path = path("ended");
    drop(listener(&path));
    let said = said(&path);
    std::fs::remove_file(&path).expect("the socket's file");
    assert_eq!(
        said,
        "the emulator that listened at PATH has ended: Connection refused (ECONNREFUSED, 111); start one with \
         `ipq-sim serve --socket PATH`"
    );
}

#[test]
fn an_emulator_that_may_not_be_reached_is_there_all_the_same() {
    let path = path("forbidden");
    let _listener = listener(&path);
    std::fs::set_permissions(&path, Permissions::from_mode(0o0)).expect("the socket's mode");
    let said = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Root may reach everything, so this thread becomes another user.
            if rustix::process::geteuid().is_root() {
                let nobody = (Uid::from_raw(65534), Gid::from_raw(65534));
                rustix::thread::set_thread_gid(nobody.1).expect("another group");
                rustix::thread::set_thread_uid(nobody.0).expect("another user");
            }
            said(&path)
        });
        thread.join().expect("the thread ends")
    });
    std::fs::remove_file(&path).expect("the socket's file");
    assert_eq!(
        said,
        "the emulator's socket PATH may not be reached by this user: Permission denied (EACCES, 13); run as the user who \
         started the emulator, or let it serve in a directory and on a socket that this user may enter and write to"
    );
}

#[test]
fn a_connection_that_is_closed_without_an_answer_is_named() {
    let path = path("closing");
    let listener = listener(&path);
    let said = std::thread::scope(|scope| {
        scope.spawn(|| drop(rustix::net::accept(&listener).expect("a connection")));
        said(&path)
    });
    std::fs::remove_file(&path).expect("the socket's file");
    // Either error may come: it depends on whether the send or the close is first.
    let said = said.replace("Broken pipe (EPIPE, 32)", "Connection reset by peer (ECONNRESET, 104)");
    assert_eq!(
        said,
        "an emulator is there at PATH, and ended the connection without an answer: Connection reset by peer (ECONNRESET, \
         104); it may be about to end"
    );
}

#[test]
fn another_programs_socket_is_no_emulator() {
    let path = path("another");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let said = said(&path);
    std::fs::remove_file(&path).expect("the socket's file");
    assert_eq!(
        said,
        "what is at PATH is no emulator, or one of another version: Protocol wrong type for socket (EPROTOTYPE, 91); name \
         the socket that `ipq-sim serve` made"
    );
}
