//! A cancelled read of standard input takes no byte. The ignored tests are child
//! processes of the others.

use corobin::io::stdin;
use corobin::process::{Command, Stdio};
use corobin::{JoinError, run, sleep, spawn, timeout, yield_now};
use std::io::{BufRead, Read, Write};
use std::time::Duration;

#[path = "common/actor.rs"]
mod actor;
use actor::{Actor, say};

#[test]
fn a_line_is_never_torn() {
    run(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("gives_up_again_and_again", reader);
        actor.says("ready");
        let mut random = fastrand::Rng::with_seed(1);
        let text: String = (0..300).map(|n| format!("line {n}\n")).collect();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.usize(1..30).min(rest.len()));
            writer.write_all(piece).unwrap();
            rest = after;
            sleep(Duration::from_micros(random.u64(0..300)));
        }
        drop(writer);
        for line in text.lines() {
            actor.says(line);
        }
        let cuts: u32 = actor.hear().unwrap().parse().unwrap();
        assert!(cuts > 0, "the test cuts too rarely");
        actor.passes();
    });
}

#[test]
#[ignore = "a child of another test"]
fn gives_up_again_and_again() {
    run(|| {
        // One for sure: nobody has written yet.
        let cut = timeout(Duration::ZERO, || stdin().read_line(&mut String::new()));
        let mut cuts = u32::from(cut.is_err());
        say("ready");
        let mut random = fastrand::Rng::with_seed(2);
        loop {
            let mut line = String::new();
            let patience = Duration::from_micros(random.u64(0..200));
            match timeout(patience, || stdin().read_line(&mut line).unwrap()) {
                Ok(1..) => say(line.trim_end()),
                Ok(_) => break,
                Err(_) => {
                    assert_eq!(line, "");
                    cuts += 1;
                }
            }
        }
        say(&cuts.to_string());
    });
}

#[test]
fn what_nobody_has_waited_for_to_the_end_is_left_to_other_processes() {
    run(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("leaves_it_to_a_child", reader);
        actor.says("given up");
        writer.write_all(b"for the child\n").unwrap();
        drop(writer);
        actor.says("for the child");
        actor.passes();
    });
}

#[test]
#[ignore = "a child of another test"]
fn leaves_it_to_a_child() {
    run(|| {
        for _ in 0..3 {
            let reader = spawn(|| stdin().read(&mut [0; 100]));
            yield_now();
            reader.cancel();
            assert!(matches!(reader.join(), Err(JoinError::Cancelled)));
        }
        assert!(
            timeout(Duration::from_millis(2), || stdin()
                .lock()
                .fill_buf()
                .map(drop))
            .is_err()
        );
        say("given up");
        let output = Command::new("cat")
            .stdin(Stdio::inherit())
            .output()
            .unwrap();
        say(std::str::from_utf8(&output.stdout).unwrap().trim_end());
    });
}

#[test]
fn who_waits_for_the_lock_can_be_cancelled_and_the_turn_goes_on() {
    run(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("cancels_those_who_wait_for_the_lock", reader);
        actor.says("waiting");
        writer.write_all(b"one\ntwo\nthree\n").unwrap();
        for line in ["first: one", "second: two", "fourth: three"] {
            actor.says(line);
        }
        actor.passes();
    });
}

#[test]
#[ignore = "a child of another test"]
fn cancels_those_who_wait_for_the_lock() {
    run(|| {
        let readers = ["first", "second", "third", "fourth"].map(|name| {
            spawn(move || {
                let mut line = String::new();
                stdin().read_line(&mut line).unwrap();
                say(&format!("{name}: {}", line.trim_end()));
            })
        });
        yield_now();
        readers[2].cancel();
        say("waiting");
        let ends = readers.map(|reader| reader.join().is_ok());
        assert_eq!(ends, [true, true, false, true]);
    });
}

#[test]
fn a_cancel_is_met_before_lines_that_are_there_already() {
    run(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut actor = Actor::with_stdin("reads_on_after_a_cancel", reader);
        writer.write_all(b"one\ntwo\nthree\n").unwrap();
        actor.passes();
    });
}

#[test]
#[ignore = "a child of another test"]
fn reads_on_after_a_cancel() {
    run(|| {
        let reads = spawn(|| {
            let mut input = stdin().lock();
            let mut line = String::new();
            input.read_line(&mut line).unwrap();
            assert_eq!(line, "one\n");
            corobin::shield(corobin::park);
            input.read_line(&mut line).unwrap();
            unreachable!("it is cancelled");
        });
        while corobin::snapshot().coroutines.iter().all(|info| {
            (info.waits_on.as_ref()).is_none_or(|waits_on| !waits_on.contains("unpark"))
        }) {
            sleep(Duration::from_millis(1));
        }
        reads.cancel();
        reads.coroutine().unpark();
        assert!(matches!(reads.join(), Err(JoinError::Cancelled)));
    });
}
