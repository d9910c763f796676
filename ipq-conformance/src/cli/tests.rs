use super::*;
use crate::suite::Filter;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::time::Duration;

#[test]
fn the_command_line_is_sound() {
    Command::command().debug_assert();
}

#[cfg(target_os = "linux")]
#[rstest]
#[case::unless_said(&[], 900)]
#[case::said(&["--time-limit", "5"], 5)]
fn a_machine_has_a_time_limit(#[case] said: &[&str], #[case] seconds: u64) {
    let arguments = [&["ipq-conformance", "vm", "--kernel", "bzImage"], said].concat();
    let command = Command::try_parse_from(arguments).expect("it is right");
    let Some(Action::Vm(arguments)) = command.action else {
        panic!("another command: {command:?}");
    };
    assert_eq!(vm::machine(&arguments).time_limit, Duration::from_secs(seconds));
}

#[cfg(target_os = "linux")]
#[rstest]
#[case::no_number("soon", "invalid digit found in string")]
#[case::too_long("4294967296", "4294967296 is not in 0..=4294967295")]
#[case::a_part_of_a_second("0.5", "invalid digit found in string")]
fn a_time_limit_is_a_number_of_seconds(#[case] said: &str, #[case] why: &str) {
    let said = format!("--time-limit={said}");
    let refused = Command::try_parse_from(["ipq-conformance", "vm", "--kernel", "bzImage", &said]);
    let words = refused.expect_err("it is refused").to_string();
    assert!(
        words.contains("'--time-limit <SECONDS>'") && words.contains(why),
        "{words}"
    );
}

#[test]
fn help_teaches_with_examples() {
    insta::assert_snapshot!(Command::command().term_width(100).render_long_help());
}

#[test]
fn help_for_replay() {
    insta::assert_snapshot!(help_for("replay"));
}

#[test]
fn help_for_matrix() {
    insta::assert_snapshot!(help_for("matrix"));
}

#[test]
fn help_for_decode() {
    insta::assert_snapshot!(help_for("decode"));
}

#[test]
fn help_for_diff() {
    insta::assert_snapshot!(help_for("diff"));
}

fn help_for(command: &str) -> String {
    let mut all = Command::command().term_width(100);
    let command = all.find_subcommand_mut(command).expect("it is a command");
    command.render_long_help().to_string()
}

/// Parses the command that a report prints for a bad case, and checks that it chooses that case
/// alone.
#[rstest]
#[case::in_a_world("--world sim")]
#[case::with_an_option_to_quote("--client 'dlopen:/my libs/libipq.so' --preload Cargo.toml")]
fn the_command_that_a_failure_prints_runs_that_case_alone(#[case] choice: &str) {
    let all = crate::suite::cases::every();
    let world = SimFactory::default().create().expect("the emulator is always there");
    let head = crate::report::Head {
        world: "sim".into(),
        choice: choice.into(),
        description: world.describe(),
        capabilities: world.capabilities(),
        seed: 7,
        date: None,
        cases: 1,
    };
    for case in &all {
        let words = shlex::split(&head.command(case.id)).expect("it can be read");
        let command = Command::try_parse_from(words).expect("it is right");
        let Some(Action::Run(arguments)) = command.action else {
            panic!("another command: {command:?}");
        };
        assert_eq!(arguments.seed, 7);
        let choice = arguments.choice;
        let filter = Filter::new(&choice.filters, &choice.levels(), arguments.strict);
        let chosen: Vec<_> = all
            .iter()
            .filter(|case| filter.chooses(case))
            .map(|case| case.id)
            .collect();
        assert_eq!(chosen, [case.id]);
    }
}
