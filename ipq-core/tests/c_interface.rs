//! Tests of the C library as C programs see it: its headers, layouts and symbols, and its answers
//! to mistakes.
//!
//! A test is skipped, with the reason, where a tool that it needs, such as the C compiler, does not
//! work. With `IPQ_REQUIRE_C=1` that is a failure.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;

use c_library::{CORE, LIBRARY, can_not, can_not_compile, compiled, have, pass, shown_in_readme, skipped, succeed};
use ipq_core::Family;
use ipq_core::transport::netlink::Netlink;
use ipq_core::wire::Abi;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn source(name: &str) -> PathBuf {
    Path::new(CORE).join("tests/c").join(name)
}

#[rstest]
fn the_headers_compile_without_a_warning_and_lay_out_what_the_kernel_does(
    #[values(("cc", "c89"), ("cc", "c17"), ("c++", "c++17"))] (compiler, standard): (&str, &str),
    #[values((Abi::LP64_LITTLE, "-m64"), (Abi::ILP32_LITTLE, "-m32"))] (abi, model): (Abi, &str),
) {
    if skipped(can_not_compile(compiler, &[model, "-fsyntax-only"])) {
        return;
    }
    let compiled = succeed(
        Command::new(compiler)
            .args([model, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"])
            .arg(format!("-std={standard}"))
            // Under the header's other name, too.
            .args(["-include", "libipq/libipq.h"])
            .arg(format!("-DPACKET_BYTES={}", abi.packet_message_bytes()))
            .arg(format!("-DREQUEST_BYTES={}", abi.request_bytes()))
            .arg(format!("-I{CORE}/include"))
            .args(["-x", if compiler == "cc" { "c" } else { "c++" }])
            .args([source("layout.c"), source("pass.c"), source("errors.c")]),
    );
    assert_eq!(String::from_utf8_lossy(&compiled.stderr), "");
}

/// Compiles a file that includes these headers in this order, as programs in the field do, in GNU
/// C89 or GNU C++17. Checks that there is no warning.
#[rstest]
fn the_headers_go_with_the_kernels_and_the_c_librarys_in_the_orders_of_programs(
    #[values(
        &["libipq.h"],
        &["linux/netfilter.h", "libipq.h"],
        &["linux/netfilter_ipv4.h", "libipq.h"],
        &["linux/in.h", "libipq.h"],
        &["netinet/in.h", "linux/netfilter.h", "libipq.h"],
        &["netinet/in.h", "netinet/ip.h", "libipq.h", "linux/netfilter.h"],
        &["libipq.h", "linux/netfilter.h"],
        &["libipq.h", "netinet/in.h", "linux/netfilter.h"],
        &["net/if.h", "libipq.h", "arpa/inet.h"],
        &["linux/netfilter_ipv4/ip_queue.h", "linux/netfilter.h", "libipq/libipq.h"],
    )]
    headers: &[&str],
    #[values(("cc", "gnu89", "c"), ("c++", "gnu++17", "c++"))] (compiler, dialect, language): (&str, &str, &str),
) {
    if skipped(can_not_compile(compiler, &["-fsyntax-only"])) {
        return;
    }
    succeed(
        Command::new(compiler)
            .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
            .arg(format!("-std={dialect}"))
            .arg(format!("-I{CORE}/include"))
            .args(headers.iter().flat_map(|header| ["-include", header]))
            .args(["-x", language])
            .arg(source("includes.c")),
    );
}

#[rstest]
fn the_header_brings_the_integer_types(#[values("c89", "c17")] standard: &str) {
    if skipped(can_not_compile("cc", &["-fsyntax-only"])) {
        return;
    }
    succeed(
        Command::new("cc")
            .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
            .arg(format!("-std={standard}"))
            .arg(format!("-I{CORE}/include"))
            .arg(source("integers.c")),
    );
}

#[test]
fn the_library_exports_the_functions_of_libipq_and_nothing_else() {
    if skipped(can_not("nm", &["--version"])) || !have(&[]) {
        return;
    }
    let listed = succeed(
        Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(LIBRARY.join("lib/libipq.so.0")),
    );
    let listed = String::from_utf8(listed.stdout).unwrap();
    let symbols: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    let expected = [
        "ipq_create_handle",
        "ipq_ctl",
        "ipq_destroy_handle",
        "ipq_errstr",
        "ipq_get_msgerr",
        "ipq_get_packet",
        "ipq_message_type",
        "ipq_perror",
        "ipq_read",
        "ipq_set_mode",
        "ipq_set_verdict",
    ];
    assert_eq!(symbols, expected);
}

fn run(program: PathBuf, transport: &str) -> Output {
    Command::new(program)
        .env("LD_LIBRARY_PATH", LIBRARY.join("lib"))
        .env("IPQ_TRANSPORT", transport)
        .output()
        .unwrap()
}

#[test]
fn mistakes_are_errors_and_not_crashes() {
    if have(&[]) {
        let output = run(compiled(&source("errors.c"), &[]), "auto");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "ERROR: Implementation error\nerrors: Implementation error: Operation not permitted\n"
        );
        assert!(output.status.success());
    }
}

/// Runs `pass.c` with each value of `IPQ_TRANSPORT` in the README's table of what `pass.c` prints,
/// and compares what it prints with the table. None of these values leads to a queue. Tests of
/// values that do are in ipq-conformance.
#[rstest]
#[case::a_wrong_name_lists_the_right_ones("netlin")]
#[case::a_wrong_setting_lists_the_right_ones("nfqueue:5=1")]
#[case::a_wrong_value_says_what_is_wrong_with_it("nfqueue:max-length=many")]
#[case::an_emulator_that_is_not_there_is_named("unix:nowhere")]
#[case::a_kernel_without_ip_queue_has_no_such_protocol("netlink")]
fn without_a_kernel_side_the_example_says_why(#[case] transport: &str) {
    if transport == "netlink" && Netlink::open(Family::Ipv4).is_ok() {
        eprintln!("skipped: this kernel has ip_queue");
        return;
    }
    if have(&[]) {
        let output = run(pass(), transport);
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            shown_in_readme(&format!("`IPQ_TRANSPORT={transport}`"))
        );
        assert_eq!(output.status.code(), Some(1));
    }
}
