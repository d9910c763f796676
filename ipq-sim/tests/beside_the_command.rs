//! Tests what `ipq-sim run` takes from the directory of the command itself, unless told otherwise:
//! the library, and the object to load first.
//!
//! A test is skipped, with the reason, if `make`, `pkg-config` or `cc` does not work as it needs.
//! With `IPQ_REQUIRE_C=1` it fails instead.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/pcap.rs"]
mod pcap;
#[path = "support/preload.rs"]
mod preload;

use c_library::{CORE, LIBRARY, SCRATCH, compiled, have, pass};
use etherparse::PacketBuilder;
use preload::PRELOAD;
use pretty_assertions::assert_eq;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Writes a capture of ten raw IP packets into the directory, and returns its path.
fn capture(directory: &Path) -> PathBuf {
    let path = directory.join("in.pcap");
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut packet, b"hello")
        .unwrap();
    std::fs::write(&path, pcap::raw_ip(&vec![packet; 10])).unwrap();
    path
}

/// Runs a program by the command, through a hard link to it in a directory of its own. The library
/// is beside the link, and `object` is the content of `libipq_preload.so` there.
fn run_beside(name: &str, object: &[u8], launcher: &[&str], program: &Path) -> Output {
    let directory = Path::new(SCRATCH).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("libipq_preload.so"), object).unwrap();
    let command = directory.join("ipq-sim");
    // An older copy may be running, so it is replaced and not written over.
    let _ = std::fs::remove_file(&command);
    std::fs::hard_link(env!("CARGO_BIN_EXE_ipq-sim"), &command).unwrap();
    std::fs::copy(LIBRARY.join("lib/libipq.so.0"), directory.join("libipq.so.0")).unwrap();
    Command::new(command)
        .args(["run", "--patience", "1", "--out"])
        .arg(directory.join("out.pcap"))
        .arg("--pcap")
        .arg(capture(&directory))
        .args(launcher)
        .arg("--")
        .arg(program)
        .output()
        .unwrap()
}

/// The arguments that choose the launcher preload.
const PRELOADED: [&str; 2] = ["--launcher", "preload"];

/// The words in which the dynamic loader refuses a file that is no shared object.
const NO_OBJECT: &str = "cannot be preloaded";

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn raw_client(flags: &[&str]) -> PathBuf {
    compiled(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/raw_client.c"),
        flags,
    )
}

#[test]
fn the_object_beside_the_command_is_loaded_where_that_is_asked_for() {
    if have(&[]) {
        let object = std::fs::read(&*PRELOAD).unwrap();
        // The program does not use libipq, so it is not linked to it.
        let program = raw_client(&["-Wl,--as-needed"]);
        let output = run_beside("without-libipq", &object, &PRELOADED, &program);
        assert!(errors(&output).contains("         9  accepted"), "{}", errors(&output));
        let output = run_beside("without-libipq-2", b"no object", &PRELOADED, &program);
        assert!(errors(&output).contains(NO_OBJECT), "{}", errors(&output));
    }
}

#[test]
fn a_program_that_the_system_gives_its_socket_has_no_object_loaded() {
    if have(&["-static"]) {
        let linked_in = compiled(&Path::new(CORE).join("tests/c/pass.c"), &["-static"]);
        for program in [pass(), linked_in] {
            let output = run_beside("with-libipq", b"no object", &[], &program);
            let errors = errors(&output);
            assert!(!errors.contains(NO_OBJECT), "{errors}");
            assert!(errors.contains("        10  accepted"), "{errors}");
            assert_eq!(output.status.code(), Some(0));
            // No packet is changed. The file's header differs, since the output has nanoseconds.
            let [out, fed] = ["out.pcap", "in.pcap"].map(|name| {
                let file = Path::new(SCRATCH).join("with-libipq").join(name);
                std::fs::read(file).unwrap()
            });
            assert_eq!(out[24..], fed[24..]);
        }
    }
}

#[test]
fn the_object_for_a_static_program_is_refused() {
    if have(&["-static"]) {
        let program = raw_client(&["-static"]);
        let output = run_beside("static", b"no object", &PRELOADED, &program);
        let object = Path::new(SCRATCH).join("static/libipq_preload.so");
        let expected = format!(
            "ipq-sim: {} is linked statically as a whole, so {} can't be loaded into it: link it with the C library as a shared \
             object, or with this project's libipq\n",
            program.display(),
            object.display()
        );
        assert_eq!(errors(&output), expected);
        assert_eq!(output.status.code(), Some(2));
    }
}
