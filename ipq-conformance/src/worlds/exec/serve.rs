//! The program's end of the pipe, for the worlds of this crate.

use super::messages::{About, Answer, BeginRequest, DescriptionAnswer, ErrorAnswer, Request};
use crate::pipe::VERSION;
use crate::world::{QueueProtocol, Setup, Step, World, WorldError, WorldFactory};
use serde_json::{Map, Value};
use std::io::{self, BufRead, Write};

/// Creates a world of `factory` and answers the requests of `input` on `output`, until the request
/// `end` or the end of `input`.
///
/// Fails if the world can't be created, a line is no request, the suite speaks another version of
/// the protocol, or the pipe fails. An error of the world does not end this function: it is sent as
/// the answer `error`. So is a `misuse` for a setup or step whose content can't be read.
pub fn serve(factory: &dyn WorldFactory, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut world = factory.create().map_err(io::Error::other)?;
    for line in input.lines() {
        let line = line?;
        let request: Request = serde_json::from_str(&line)
            .map_err(|error| io::Error::other(format!("this is no request: {error}: {line}")))?;
        let ends = matches!(request, Request::End);
        let answer = answer(world.as_mut(), factory, request)?;
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
        if ends {
            break;
        }
    }
    Ok(())
}

fn answer(world: &mut dyn World, factory: &dyn WorldFactory, request: Request) -> io::Result<Answer> {
    let answered = match request {
        Request::Describe { protocol: VERSION } => {
            let about = about(world, factory.parallel());
            return Ok(Answer::Description(DescriptionAnswer::new(&about)));
        }
        Request::Describe { protocol } => {
            return Err(io::Error::other(format!(
                "the suite speaks version {protocol} of the protocol, and this world version {VERSION}"
            )));
        }
        Request::Capabilities => {
            let capabilities = world.capabilities();
            let names = capabilities.iter().map(|capability| capability.name().to_owned());
            return Ok(Answer::Capabilities {
                capabilities: names.collect(),
            });
        }
        Request::Begin(request) => begin(world, request).map(|()| Answer::Begun),
        Request::Step { step } => do_step(world, step).map(|seen| Answer::Seen { seen }),
        Request::End => world.end().map(|()| Answer::Ended),
    };
    Ok(answered.unwrap_or_else(|error| Answer::Error(ErrorAnswer::new(&error))))
}

fn about(world: &dyn World, parallel: bool) -> About {
    let description = world.describe();
    let numbered = world.machine(&Setup {
        queues: QueueProtocol::Nfnetlink,
        ..Setup::default()
    });
    About {
        nfnetlink_machine: (numbered != description.machine).then_some(numbered),
        description,
        parallel,
    }
}

fn begin(world: &mut dyn World, request: BeginRequest) -> Result<(), WorldError> {
    let setup: Setup = request.read().map_err(WorldError::Misuse)?;
    world.begin(&setup)
}

fn do_step(world: &mut dyn World, question: Map<String, Value>) -> Result<Map<String, Value>, WorldError> {
    let step: Step = crate::recording::step(question).map_err(WorldError::Misuse)?;
    let seen = world.step(&step)?;
    crate::recording::answer(&step, &seen)
        .ok_or_else(|| WorldError::Broken(format!("the world answered {step:?} with {seen:?}")))
}
