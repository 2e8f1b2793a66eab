//! The events of a page against a naive model of the scheduler: whoever runs was
//! at the head of the queue, and nobody was lost.

mod common;

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use common::temp_dir::TempDir;
use corobin::{
    JoinHandle, Runtime, current, park, scope, sleep, spawn, timeout, to_thread, yield_now,
};
use serde_json::Value;

fn events(path: &Path) -> Vec<Vec<Value>> {
    let text = std::fs::read_to_string(path).unwrap();
    let (_, text) = text.split_once("id=\"events\">\n").unwrap();
    let text = text.strip_suffix("</script>\n").unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[derive(Default)]
struct Model {
    queue: VecDeque<u64>,
    waiting: BTreeSet<u64>,
    running: Option<u64>,
    ended: BTreeSet<u64>,
    steps: usize,
}

impl Model {
    fn see(&mut self, event: &[Value], picks: bool) {
        let number = |at: usize| event[at].as_u64().unwrap();
        let is_new = |model: &Model, who| {
            !model.queue.contains(&who)
                && !model.waiting.contains(&who)
                && !model.ended.contains(&who)
        };
        match event[0].as_str().unwrap() {
            "s" => {
                assert!(is_new(self, number(2)));
                self.queue.push_back(number(2));
                self.is_by(&event[3]);
            }
            "b" => {
                let who = number(2);
                assert_eq!(self.running.replace(who), None, "one at a time");
                if picks {
                    let place = self.queue.iter().position(|&other| other == who).unwrap();
                    self.queue.swap(0, place);
                }
                assert_eq!(self.queue.pop_front(), Some(who), "the head is next");
                assert_eq!(number(3), self.queue.len() as u64);
                self.steps += 1;
            }
            "y" => {
                assert_eq!(self.running.take(), Some(number(2)));
                self.queue.push_back(number(2));
            }
            "p" | "n" => {
                assert_eq!(self.running.take(), Some(number(2)));
                assert!(self.waiting.insert(number(2)));
            }
            "w" => {
                assert!(self.waiting.remove(&number(2)), "{event:?} did not wait");
                self.queue.push_back(number(2));
                self.is_by(&event[3]);
            }
            "e" => {
                assert_eq!(self.running, Some(number(2)));
                assert!(self.ended.insert(number(2)));
            }
            "d" => assert_eq!(self.running.take(), Some(number(2))),
            "z" => {
                assert!(
                    self.queue.is_empty() && self.running.is_none(),
                    "asleep at work"
                );
            }
            "i" | "L" | "W" | "t" | "a" | "k" | "f" => {}
            other => panic!("{other}"),
        }
    }

    /// A coroutine acts only while it runs, all others only in between.
    fn is_by(&self, by: &Value) {
        assert_eq!(self.running, by.as_u64(), "by {by}");
    }
}

/// Some of everything, at random.
fn play(random: &mut fastrand::Rng) {
    let mut handles: Vec<JoinHandle<()>> = Vec::new();
    for _ in 0..random.usize(1..30) {
        let steps = random.u32(0..6);
        let kind = random.u32(0..7);
        let millis = Duration::from_millis(random.u64(0..3));
        let neighbour = handles.last().map(|handle| handle.coroutine().clone());
        handles.push(spawn(move || {
            for _ in 0..steps {
                match kind {
                    0 => yield_now(),
                    1 => sleep(millis),
                    2 => drop(timeout(millis, park).is_err()),
                    3 => to_thread(|| ()),
                    4 => scope(|s| {
                        s.spawn(yield_now);
                        s.spawn(|| sleep(millis));
                    }),
                    5 => {
                        if let Some(neighbour) = &neighbour {
                            neighbour.unpark();
                        }
                        let me = current();
                        spawn(move || me.unpark());
                        park();
                    }
                    _ => spawn(|| ()).join().unwrap(),
                }
            }
        }));
        if random.u32(0..4) == 0 {
            yield_now();
        }
        if random.u32(0..5) == 0 {
            let unlucky = random.usize(..handles.len());
            handles[unlucky].cancel();
        }
    }
    // The rest is cancelled by the end of the run.
    let joined = random.usize(0..=handles.len());
    for handle in handles.drain(..joined) {
        let _ = handle.join();
    }
}

/// A waker runs after the end of the coroutine that is joined, on its stack, and
/// may suspend there: that is no end of a step.
#[test]
fn a_waker_that_suspends_after_the_end() {
    struct Slow;
    impl Wake for Slow {
        fn wake(self: Arc<Self>) {
            yield_now();
            sleep(Duration::from_millis(1));
        }
    }
    let folder = TempDir::new();
    let path = folder.join("waker.html");
    let mut runtime = Runtime::builder().trace(&path).build().unwrap();
    runtime.run(|| {
        let mut handle = spawn(yield_now);
        let waker = Waker::from(Arc::new(Slow));
        let poll = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        sleep(Duration::from_millis(5));
    });
    let events = events(&path);
    let mut model = Model::default();
    events.iter().for_each(|event| model.see(event, false));
    let of = |kind: &str| events.iter().filter(|event| event[0] == kind).count();
    assert_eq!((of("y"), of("p"), of("d")), (2, 2, 2));
}

#[test]
fn random_runs_agree_with_the_model() {
    let folder = TempDir::new();
    for round in 0..40 {
        let path = folder.join(&format!("{round}.html"));
        let picks = round % 4 == 3;
        let mut builder = Runtime::builder().trace(&path).virtual_time(round % 2 == 1);
        if picks {
            builder = builder.schedule_seed(round);
        }
        let mut random = fastrand::Rng::with_seed(round);
        builder.build().unwrap().run(|| play(&mut random));
        let mut model = Model::default();
        for event in events(&path) {
            model.see(&event, picks);
        }
        assert!(model.steps > 1);
        assert!(model.queue.is_empty() && model.waiting.is_empty() && model.running.is_none());
    }
}
