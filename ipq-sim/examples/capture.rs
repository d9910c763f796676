//! Runs a program on the packets of a capture. Asserts that it left no packet queued, and that no
//! message of its was refused.
//!
//! ```text
//! make -C ipq-core install PREFIX=$PWD/target/libipq       # the C library, once
//! cc program.c $(PKG_CONFIG_PATH=target/libipq/lib/pkgconfig pkg-config --cflags --libs libipq) -o program
//! cargo run -p ipq-sim --example capture -- fixtures/captures/forwarded-in.pcap target/libipq/lib ./program
//! ```

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use ipq_sim::programs::run::Run;

    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [capture, library, program] = &arguments[..] else {
        return Err("usage: capture IN.pcap LIBRARY-DIRECTORY PROGRAM".into());
    };
    let report = Run::new(capture, program).library(library).go()?;
    print!("{}", report.summary);
    assert_eq!(
        report.summary.still_queued, 0,
        "the program left packets without a verdict"
    );
    assert_eq!(report.summary.refused, 0, "the kernel refused what the program sent");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("programs are run on Linux only");
}
