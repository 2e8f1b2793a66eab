//! Random nestings of timeouts, shields and sleeps against a model of who expires when.

use corobin::{now, shield, sleep, spawn, timeout, yield_now};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/rng.rs"]
mod rng;
use rng::Rng;

/// One step of a random program. Numbers are milliseconds.
#[derive(Debug, Clone)]
enum Step {
    Yield,
    Sleep(u64),
    Timeout(u64, Vec<Step>),
    Shield(Vec<Step>),
}

/// What a program shows: when each step ended, and how.
type Trace = Vec<(u64, &'static str)>;

fn random_program(rng: &mut Rng, depth: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..1 + rng.below(4) {
        match rng.below(if depth == 0 { 4 } else { 10 }) {
            0 => steps.push(Step::Yield),
            1..=3 => steps.push(Step::Sleep(rng.below(40))),
            4..=7 => {
                let limit = match rng.below(12) {
                    0 => 0,
                    1 => u64::MAX,
                    _ => rng.below(60),
                };
                // Whether opening or leaving a nesting looks at what is pending is left open by
                // the contract: a wait around it makes both answers look the same.
                steps.push(Step::Yield);
                steps.push(Step::Timeout(limit, random_program(rng, depth - 1)));
            }
            _ => {
                steps.push(Step::Yield);
                steps.push(Step::Shield(random_program(rng, depth - 1)));
                steps.push(Step::Yield);
            }
        }
    }
    steps
}

/// The model: what is open, outermost first; `None` is a shield.
#[derive(Default)]
struct Model {
    now: u64,
    open: Vec<Option<u64>>,
    trace: Trace,
    /// A sleep and a deadline fell on the same instant: both outcomes are right.
    tie: bool,
}

/// The index in `Model::open` of the timeout whose expiry unwinds.
struct Expiry(usize);

impl Model {
    /// The timeouts that may be raised here: those inside of the innermost shield.
    fn reachable(&self) -> impl DoubleEndedIterator<Item = (usize, u64)> {
        let first = self
            .open
            .iter()
            .rposition(Option::is_none)
            .map_or(0, |n| n + 1);
        (first..self.open.len()).map(|n| (n, self.open[n].unwrap()))
    }

    fn raise_if_expired(&self) -> Result<(), Expiry> {
        let now = self.now;
        match self.reachable().rfind(|&(_, deadline)| deadline <= now) {
            Some((index, _)) => Err(Expiry(index)),
            None => Ok(()),
        }
    }

    fn wait(&mut self, duration: u64) -> Result<(), Expiry> {
        self.raise_if_expired()?;
        let end = self.now + duration;
        match self.reachable().map(|(_, deadline)| deadline).min() {
            Some(first) if first <= end && duration > 0 => {
                self.tie |= first == end;
                self.now = first;
                self.raise_if_expired()
            }
            _ => {
                self.now = end;
                Ok(())
            }
        }
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), Expiry> {
        for step in steps {
            match step {
                Step::Yield => {
                    self.wait(0)?;
                    self.trace.push((self.now, "yielded"));
                }
                Step::Sleep(duration) => {
                    self.wait(*duration)?;
                    self.trace.push((self.now, "slept"));
                }
                Step::Shield(body) => {
                    self.open.push(None);
                    let result = self.run(body);
                    self.open.pop();
                    result?;
                }
                Step::Timeout(limit, body) => {
                    let index = self.open.len();
                    self.open.push(Some(self.now.saturating_add(*limit)));
                    let result = self.run(body);
                    self.open.pop();
                    match result {
                        Ok(()) => self.trace.push((self.now, "in time")),
                        Err(Expiry(of)) if of == index => self.trace.push((self.now, "elapsed")),
                        Err(outer) => return Err(outer),
                    }
                }
            }
        }
        Ok(())
    }
}

fn millis(n: u64) -> Duration {
    match n {
        u64::MAX => Duration::MAX,
        n => Duration::from_millis(n),
    }
}

/// The same program on the engine.
fn perform(steps: &[Step], start: Instant, trace: &RefCell<Trace>) {
    let note = |what| {
        let since = (now() - start).as_millis() as u64;
        trace.borrow_mut().push((since, what));
    };
    for step in steps {
        match step {
            Step::Yield => {
                yield_now();
                note("yielded");
            }
            Step::Sleep(duration) => {
                sleep(millis(*duration));
                note("slept");
            }
            Step::Shield(body) => shield(|| perform(body, start, trace)),
            Step::Timeout(limit, body) => {
                match timeout(millis(*limit), || perform(body, start, trace)) {
                    Ok(()) => note("in time"),
                    Err(_) => note("elapsed"),
                }
            }
        }
    }
}

fn model_of(program: &[Step]) -> Option<Trace> {
    let mut model = Model::default();
    assert!(model.run(program).is_ok(), "nothing is open outermost");
    (!model.tie).then_some(model.trace)
}

#[test]
fn smoke() {
    let program = vec![
        Step::Timeout(10, vec![Step::Timeout(20, vec![Step::Sleep(30)])]),
        Step::Timeout(5, vec![Step::Shield(vec![Step::Sleep(8)]), Step::Yield]),
        Step::Timeout(5, vec![Step::Sleep(1)]),
    ];
    let expected = vec![
        (10, "elapsed"),
        (18, "slept"),
        (18, "elapsed"),
        (19, "slept"),
        (19, "in time"),
    ];
    assert_eq!(model_of(&program), Some(expected.clone()));
    let trace = RefCell::default();
    in_virtual_time(|| perform(&program, now(), &trace));
    assert_eq!(*trace.borrow(), expected);
}

#[test]
fn random_nestings_one_after_the_other() {
    let (mut compared, mut expired) = (0, 0);
    in_virtual_time(|| {
        for seed in 0..3000 {
            let program = random_program(&mut Rng(seed), 4);
            let Some(expected) = model_of(&program) else {
                continue;
            };
            let trace = RefCell::default();
            perform(&program, now(), &trace);
            assert_eq!(*trace.borrow(), expected, "seed {seed}: {program:#?}");
            compared += 1;
            expired += expected.iter().filter(|(_, how)| *how == "elapsed").count();
        }
    });
    assert!(compared > 1000, "only {compared} programs without a tie");
    assert!(expired > 500, "only {expired} expiries");
}

#[test]
fn random_nestings_all_at_once() {
    in_virtual_time(|| {
        let start = now();
        let running: Vec<_> = (10_000..10_500)
            .filter_map(|seed| {
                let program = random_program(&mut Rng(seed), 4);
                let expected = model_of(&program)?;
                let trace = Rc::new(RefCell::default());
                let child = spawn({
                    let (program, trace) = (program.clone(), trace.clone());
                    move || perform(&program, start, &trace)
                });
                Some((seed, program, expected, trace, child))
            })
            .collect();
        assert!(running.len() > 100);
        for (seed, program, expected, trace, child) in running {
            child.join().unwrap();
            assert_eq!(*trace.borrow(), expected, "seed {seed}: {program:#?}");
        }
    });
}
