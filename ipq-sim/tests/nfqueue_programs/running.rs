//! Runs the command on a capture, and reads its outputs.

use crate::c_library::SCRATCH;
use crate::launching::unprivileged;
use crate::pcap;
use etherparse::PacketBuilder;
use pretty_assertions::assert_eq;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The number of packets in the usual capture.
pub(crate) const PACKETS: u32 = 240;

/// Returns the path of a program's source.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/nfqueue_programs/programs")
        .join(name)
}

/// Returns the packet of that number: UDP from one of seven hosts. The payload begins with the
/// number, and has its own length.
pub(crate) fn packet(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(20 + number as usize * 37 % 1400, number as u8);
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, number as u8 % 7], [10, 0, 1, 2], 64)
        .udp(4000, 53)
        .write(&mut bytes, &payload)
        .unwrap();
    bytes
}

/// Makes an empty directory for the files of one test, to which any user may write, and returns its
/// path.
pub(crate) fn place(name: &str) -> PathBuf {
    let place = Path::new(SCRATCH).join(format!("nfqueue-{name}"));
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o777)).unwrap();
    place
}

fn write_capture(path: &Path, packets: &[Vec<u8>]) {
    let records = packets
        .iter()
        .flat_map(|packet| pcap::record([1_700_000_000, 0], packet, 0));
    let bytes: Vec<u8> = pcap::header(pcap::RAW_IP).into_iter().chain(records).collect();
    std::fs::write(path, bytes).unwrap();
}

/// Returns the packets of a pcap file in this machine's byte order. Returns none if the file does
/// not exist.
pub(crate) fn read_capture(path: &Path) -> Vec<Vec<u8>> {
    pcap::packets(&std::fs::read(path).unwrap_or_default())
}

/// The result of a run of the command.
pub(crate) struct Ran {
    /// What the command printed to standard error.
    pub(crate) errors: String,
    /// The command's exit status. `None` if a signal ended it.
    pub(crate) status: Option<i32>,
    /// The packets that got through, in the order of the output file.
    pub(crate) out: Vec<Vec<u8>>,
    /// For each record of the capture, its fate, and the mark that the last verdict with a mark
    /// set.
    pub(crate) log: Vec<(String, Option<u32>)>,
    /// The directory of the run's captures and logs.
    pub(crate) place: PathBuf,
}

/// Returns the log's fate of a packet that got through, with that mark.
pub(crate) fn accepted(mark: Option<u32>) -> (String, Option<u32>) {
    ("accepted".to_owned(), mark)
}

/// Returns the log's fate of a packet that a verdict dropped.
pub(crate) fn dropped() -> (String, Option<u32>) {
    ("dropped: by verdict".to_owned(), None)
}

/// Runs the command on a capture of these packets, as a user without privileges. `name` names the
/// directory of the files.
pub(crate) fn run(name: &str, packets: &[Vec<u8>], arguments: &[&str], program: &[&str]) -> Ran {
    let place = place(name);
    let file = |name| place.join(name);
    write_capture(&file("in.pcap"), packets);
    let output = unprivileged(env!("CARGO_BIN_EXE_ipq-sim"))
        .args(["run", "--patience", "20", "--pcap"])
        .arg(file("in.pcap"))
        .arg("--out")
        .arg(file("out.pcap"))
        .arg("--log")
        .arg(file("log.jsonl"))
        .args(arguments)
        .arg("--")
        .args(program)
        .current_dir(&place)
        .output()
        .unwrap();
    let log = std::fs::read_to_string(file("log.jsonl")).unwrap_or_default();
    let log = log.lines().map(|line| serde_json::from_str(line).unwrap());
    // Packets that the program sent itself have lines, too.
    let log = log
        .filter(|line: &serde_json::Value| line["packet"].is_u64())
        .map(|line| {
            let verdicts = line["verdicts"].as_array().into_iter().flatten();
            let mark = verdicts.filter_map(|verdict| verdict["mark"].as_u64()).next_back();
            (
                line["fate"].as_str().unwrap_or_default().to_owned(),
                mark.map(|mark| mark as u32),
            )
        });
    Ran {
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
        out: read_capture(&file("out.pcap")),
        log: log.collect(),
        place,
    }
}

pub(crate) fn all_packets() -> Vec<Vec<u8>> {
    (0..PACKETS).map(packet).collect()
}

impl Ran {
    /// Asserts the fates and marks, the packets that got through, the kernel for nfnetlink, and
    /// exit status 0.
    pub(crate) fn assert(&self, log: &[(String, Option<u32>)], out: &[Vec<u8>]) {
        let errors = &self.errors;
        assert_eq!(self.log, log, "{errors}");
        assert_eq!(self.out, out, "{errors}");
        assert!(
            errors.contains("kernel: linux-6.18-x86_64, since the program opened"),
            "{errors}"
        );
        assert_eq!(self.status, Some(0), "{errors}");
    }
}
