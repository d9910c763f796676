//! Tests of the emulator as a world: its sysctls, the port ids and names of its sockets, what calls
//! sent after many steps, and the devices that cases name for the packets that it sends.

use bytes::Bytes;
use ipq_conformance::suite::runner::Runner;
use ipq_conformance::suite::{KnownDifferences, Subject, cases};
use ipq_conformance::world::topology::{Device, LO, TAP0, TAP1};
use ipq_conformance::world::{Capabilities, Description, Observation, Setup, Step, World, WorldError, WorldFactory};
use ipq_conformance::worlds::SimFactory;
use ipq_core::{CopyMode, Family, PortId};
use ipq_sim::Profile;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

const MAXIMUM: [&str; 2] = ["net.ipv4.ip_queue_maxlen", "net.ipv6.ip6_queue_maxlen"];

fn begun() -> Box<dyn World> {
    let mut world = SimFactory::default().create().expect("the emulator is there");
    world.begin(&Setup::default()).expect("the emulator begins");
    world
}

fn write(world: &mut dyn World, name: &str, value: &str) -> Result<Observation, WorldError> {
    let (name, value) = (name.into(), value.into());
    world.step(&Step::Sysctl { name, value })
}

fn read(world: &mut dyn World, name: &str) -> Result<Observation, WorldError> {
    world.step(&Step::ReadSysctl { name: name.into() })
}

fn text(text: &str) -> Observation {
    Observation::Text(text.into())
}

#[rstest]
#[case::plain("3", "3")]
#[case::with_space_around_it(" 3\n", "3")]
#[case::negative("-1", "-1")]
#[case::over_31_bits("2147483648", "-2147483648")]
#[case::over_32_bits("4294967299", "3")]
fn a_maximum_length_is_read_as_a_kernel_reads_it(#[case] written: &str, #[case] then: &str) {
    let world = &mut *begun();
    let [four, six] = MAXIMUM;
    assert_eq!(read(world, four), Ok(text("1024")));
    assert_eq!(write(world, four, written), Ok(Observation::Done));
    assert_eq!(
        [read(world, four), read(world, six)],
        [text(then), text("1024")].map(Ok)
    );
    assert_eq!(write(world, six, written), Ok(Observation::Done));
    assert_eq!(read(world, six), Ok(text(then)));
}

#[test]
fn what_is_no_sysctl_or_no_number_is_a_mistake_of_the_case() {
    let world = &mut *begun();
    let [four, _] = MAXIMUM;
    for (name, value, word) in [(four, "many", "\"many\""), ("net.ipv4.ip_forward", "1", "ip_forward")] {
        let Err(WorldError::Misuse(why)) = write(world, name, value) else {
            panic!("{name} = {value} is refused");
        };
        assert!(why.contains(word), "{why}");
    }
    assert!(matches!(read(world, "net.ipv4.ip_forward"), Err(WorldError::Misuse(_))));
    assert_eq!(read(world, four), Ok(text("1024")));
}

#[test]
fn without_its_module_a_family_has_no_sysctl() {
    let world = &mut *begun();
    let unload = Step::Module {
        family: Family::Ipv4,
        loaded: false,
    };
    world.step(&unload).expect("it can be unloaded");
    let [four, six] = MAXIMUM.map(|name| read(world, name));
    assert_eq!((four, six), (Ok(Observation::Absent), Ok(text("1024"))));
}

#[test]
fn a_socket_has_no_port_id_before_it_is_bound() {
    let world = &mut *begun();
    let mut open = |socket: &str, bind| {
        let opened = world.step(&Step::Open {
            socket: socket.into(),
            protocol: 3,
            bind,
        });
        match opened {
            Ok(Observation::Open {
                failed_at: None,
                errno: 0,
                port_id,
            }) => port_id,
            other => panic!("it is opened: {other:?}"),
        }
    };
    assert_eq!([open("a", None), open("b", Some(7))], [None, Some(7)]);
    assert!(open("c", Some(0)).is_some_and(|chosen| chosen != 0));
}

#[test]
fn a_case_has_port_id_0_of_a_socket_that_is_not_bound() {
    let world = SimFactory::default().create().expect("the emulator is there");
    let subject = Subject::begin(world, &Setup::default(), 0, None).expect("the emulator begins");
    let socket = subject.open_unbound(Family::Ipv4).expect("it is opened");
    assert_eq!(
        [socket.port_id(), socket.bound_to().expect("it says so")],
        [PortId::KERNEL; 2]
    );
    let bound = socket.bind(PortId(7)).expect("it says so");
    assert_eq!((bound, socket.bound_to()), ((None, PortId(7)), Ok(PortId(7))));
}

#[test]
fn what_a_call_sent_is_known_after_steps_that_are_forgotten() {
    let world = SimFactory::default().create().expect("the emulator is there");
    let subject = Subject::begin(world, &Setup::default(), 0, None).expect("the emulator begins");
    for _ in 0..10_000 {
        subject.clock().expect("the emulator has a clock");
    }
    let program = subject.program();
    let handle = program.create(Family::Ipv4).expect("it is opened");
    let returned = program.set_mode(handle, CopyMode::Meta, 0).expect("it is called");
    assert_eq!(returned.sent.len(), 1);
}

#[test]
fn a_name_that_is_open_keeps_its_socket() {
    let world = &mut *begun();
    for (socket, port_id) in [("a", 1), ("b", 2)] {
        let opened = world.step(&Step::Open {
            socket: socket.into(),
            protocol: Family::Ipv4.netlink_protocol().into(),
            bind: Some(port_id),
        });
        assert!(opened.is_ok(), "{opened:?}");
    }
    let misused = world.step(&Step::Duplicate {
        socket: "b".into(),
        duplicate: "a".into(),
    });
    assert!(matches!(misused, Err(WorldError::Misuse(_))), "{misused:?}");
    let still = world.step(&Step::PortId { socket: "a".into() });
    assert_eq!(still, Ok(Observation::Bind { errno: 0, port_id: 1 }));
}

/// The packets that a host was made to send, each with the name of the device that was stated.
type Outputs = Arc<Mutex<Vec<(String, Bytes)>>>;

/// The factory of emulators that note the packets that the host is made to send.
struct Noting(SimFactory, Outputs);

impl WorldFactory for Noting {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        let world = self.0.create()?;
        Ok(Box::new(NotingWorld(world, Arc::clone(&self.1))))
    }
}

struct NotingWorld(Box<dyn World>, Outputs);

impl World for NotingWorld {
    fn describe(&self) -> Description {
        self.0.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        self.0.begin(setup)
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        if let Step::Output { device, packet } = step {
            self.1.lock().unwrap().push((device.clone(), packet.clone()));
        }
        self.0.step(step)
    }
}

/// Returns the device to which the host routes a packet: that of a neighbour, or `lo`.
fn routed_to(packet: &[u8]) -> &'static str {
    let destination: IpAddr = match packet[0] >> 4 {
        4 => <[u8; 4]>::try_from(&packet[16..20]).unwrap().into(),
        _ => <[u8; 16]>::try_from(&packet[24..40]).unwrap().into(),
    };
    let behind = |device: &&Device| destination == device.neighbour_ipv4 || destination == device.neighbour_ipv6;
    [TAP0, TAP1].iter().find(behind).map_or(LO, |device| device.name)
}

#[test]
fn each_case_names_the_device_to_which_a_packet_of_the_host_is_routed() {
    let mut sending = BTreeSet::new();
    for profile in Profile::ALL {
        let outputs = Outputs::default();
        let factory = Noting(SimFactory::of(*profile), Arc::clone(&outputs));
        let runner = Runner::new(Arc::new(factory), KnownDifferences::default(), 0);
        for case in cases::all() {
            let id = runner.run_case(&case).case.id;
            for (device, packet) in outputs.lock().unwrap().drain(..) {
                assert_eq!(device, routed_to(&packet), "{id}");
                sending.insert(id);
            }
        }
    }
    assert!(sending.len() > 10, "{sending:?}");
}
