//! Files of recordings. What can be read can also be written, and is the same when it is read
//! again. An error names the place in the file.

use ipq_conformance::recording::{Reader, Recording, write_all};

/// Checks the reader and the writer of recordings on the file `bytes`.
pub fn check(bytes: &[u8]) {
    let mut read: Vec<Recording> = Vec::new();
    let mut failed = false;
    let held = allocation_counter::measure(|| {
        let mut reader = Reader::new("fuzz", bytes);
        while let Some(result) = reader.next() {
            assert!(!failed, "nothing comes after an error");
            match result {
                Ok(recording) => {
                    assert!(
                        !recording.name.contains('\n') || recording.to_line().is_some_and(|line| !line.contains('\n'))
                    );
                    read.push(recording);
                }
                Err(error) => {
                    failed = true;
                    let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
                    assert_eq!((error.line, reader.line()), (Some(read.len() + 1), read.len() + 1));
                    assert!(read.len() < lines.max(1));
                    let place = format!("fuzz:{}: ", read.len() + 1);
                    assert!(error.to_string().starts_with(&place), "{error}");
                }
            }
        }
    });
    assert!(
        held.bytes_max <= (1 << 20) + 64 * bytes.len() as u64,
        "{} bytes of {}",
        held.bytes_max,
        bytes.len()
    );

    let mut written = Vec::new();
    write_all(&mut written, &read).expect("what was read can be written");
    // A file without a scenario is no file of recordings.
    if !read.is_empty() {
        let again = Reader::new("again", &written[..]);
        let again: Vec<Recording> = again
            .map(|recording| recording.expect("what was written can be read"))
            .collect();
        assert_eq!(again, read);
    }
    for recording in &read {
        if let Some(misuse) = recording.misuse() {
            assert!((1..=recording.steps.len()).contains(&misuse.step));
        }
    }
}
