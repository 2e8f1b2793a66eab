//! Traces in Chrome's format, read with a strict reader.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use common::chrome::{self, Trace};
use common::temp_dir::TempDir;
use corobin::{
    Builder, RunError, Runtime, current, handle, park, scope, sleep, spawn, timeout, to_thread,
    yield_now,
};

fn runtime(path: &Path) -> Runtime {
    Runtime::builder().trace(path).build().unwrap()
}

/// Runs `f` traced.
fn traced(f: impl FnOnce()) -> Trace {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    runtime(&path).run(f);
    chrome::read(&path)
}

fn named(name: &str, f: impl FnOnce() + 'static) -> corobin::JoinHandle<()> {
    Builder::new().name(name).spawn(f).unwrap()
}

#[test]
fn every_step_is_there() {
    let trace = traced(|| {
        let a = named("a", || {
            yield_now();
            yield_now();
        });
        let b = named("b", || ());
        a.join().unwrap();
        b.join().unwrap();
        // Nobody else is ready: a step all the same.
        yield_now();
    });
    let yields = "step, then yields";
    let returns = "step, then returns";
    assert_eq!(trace.stops("a"), [yields, yields, returns]);
    assert_eq!(trace.stops("b"), [returns]);
    let main = trace.stops("main");
    assert_eq!(main.len(), 3, "{main:?}");
    assert!(main[0].starts_with("step, then waits for the end of #"));
    assert_eq!(main[1..], [yields, returns]);
    assert!(trace.lanes.values().any(|name| name == "loop"));
}

#[test]
fn many_new_ones_have_steps_of_their_own() {
    // Without a probe they would start one on the other's stack.
    let trace = traced(|| {
        let handles: Vec<_> = (0..500).map(|_| spawn(|| ())).collect();
        handles
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
    });
    let ends = (trace.events.iter()).filter(|event| event.name == "step, then returns");
    assert_eq!(ends.count(), 501);
    assert_eq!(trace.lanes.len(), 502);
}

#[test]
fn stops_say_why_and_where() {
    let (park_line, yield_line) = (line!() + 3, line!() + 4);
    let trace = traced(|| {
        let parked = named("parked", || {
            park();
            yield_now();
        });
        yield_now();
        parked.coroutine().unpark();
        parked.join().unwrap();
    });
    let [waits, yields, _] = trace.of("parked", "step")[..] else {
        panic!("{:?}", trace.stops("parked"));
    };
    let at = |line: u32| format!("{}:{line}:", file!());
    assert_eq!(waits.args["stop"], "park");
    assert_eq!(waits.args["why"], "unpark");
    assert!(
        waits.args["where"]
            .as_str()
            .unwrap()
            .starts_with(&at(park_line))
    );
    assert_eq!(yields.args["stop"], "yield");
    assert!(
        yields.args["where"]
            .as_str()
            .unwrap()
            .starts_with(&at(yield_line))
    );
    // The wait is a span, from the step's end to the wake.
    let [wait] = trace.of("parked", "wait")[..] else {
        panic!("one wait");
    };
    assert_eq!(wait.ts, waits.ts + waits.dur);
    assert_eq!(wait.name, "waits for unpark");
}

#[test]
fn arrows_lead_from_the_wake_to_its_step() {
    let trace = traced(|| {
        let sleeper = named("sleeper", || sleep(Duration::from_millis(1)));
        let parked = named("parked", park);
        let (go, may_end) = std::sync::mpsc::channel();
        let thread = named("thread", move || to_thread(move || may_end.recv().unwrap()));
        let target = parked.coroutine().clone();
        named("waker", move || target.unpark()).join().unwrap();
        go.send(()).unwrap();
        for handle in [sleeper, parked, thread] {
            handle.join().unwrap();
        }
    });
    let cause = |lane: &str, step: usize| {
        let steps = trace.of(lane, "step");
        let cause = trace.cause_of(steps[step]).map(str::to_owned);
        cause.map(|lane| lane.rsplit(' ').next().unwrap().to_owned())
    };
    assert_eq!(cause("main", 0).as_deref(), Some("loop"));
    for lane in ["sleeper", "parked", "thread", "waker"] {
        assert_eq!(cause(lane, 0).as_deref(), Some("main"), "spawned");
    }
    assert_eq!(cause("sleeper", 1).as_deref(), Some("loop"));
    assert_eq!(cause("thread", 1).as_deref(), Some("loop"));
    assert_eq!(cause("parked", 1).as_deref(), Some("waker"));
    let on_loop: Vec<_> = trace.of("loop", "loop");
    for what in ["a timer", "another thread"] {
        assert!(on_loop.iter().any(|event| event.name == what), "{what}");
    }
}

#[test]
fn a_descriptor_wakes() {
    use corobin::net::UnixStream;
    use std::io::{Read, Write};
    let trace = traced(|| {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let reader = named("reader", move || {
            let mut byte = [0];
            here.read_exact(&mut byte).unwrap();
        });
        yield_now();
        there.write_all(b"a").unwrap();
        reader.join().unwrap();
    });
    let steps = trace.of("reader", "step");
    assert_eq!(steps[0].args["stop"], "park", "{:?}", trace.stops("reader"));
    assert_eq!(trace.cause_of(steps[1]), Some("loop"));
    let on_loop = trace.of("loop", "loop");
    assert!(on_loop.iter().any(|event| event.name == "a descriptor"));
}

#[test]
fn a_yield_leads_no_arrow() {
    let trace = traced(|| {
        let other = named("other", || (0..5).for_each(|_| yield_now()));
        other.join().unwrap();
    });
    let steps = trace.of("other", "step");
    assert!(trace.cause_of(steps[0]).is_some());
    assert!(steps[1..].iter().all(|step| trace.cause_of(step).is_none()));
}

#[test]
fn ends_of_all_kinds() {
    let trace = traced(|| {
        let cancelled = named("cancelled", park);
        let unborn = named("unborn", || ());
        unborn.cancel();
        let panics = named("panics", || panic!("on purpose"));
        yield_now();
        cancelled.cancel();
        assert!(cancelled.join().is_err());
        assert!(unborn.join().is_err());
        assert!(panics.join().is_err());
        drop(named("detached", park));
        yield_now();
    });
    assert_eq!(trace.stops("cancelled")[1], "step, then is cancelled");
    assert_eq!(trace.stops("unborn"), ["step, then is cancelled"]);
    assert_eq!(trace.stops("panics"), ["step, then panics"]);
    assert_eq!(trace.stops("detached")[1], "step, then is cancelled");
    let interrupts = trace
        .events
        .iter()
        .filter(|event| event.name.starts_with("interrupts #"));
    assert_eq!(interrupts.count(), 2);
}

#[test]
fn an_expired_timeout_and_its_timer() {
    let trace = traced(|| {
        let waits = || assert!(timeout(Duration::from_millis(1), park).is_err());
        named("impatient", waits).join().unwrap();
    });
    let steps = trace.of("impatient", "step");
    assert_eq!(trace.cause_of(steps[1]), Some("loop"));
    assert!(
        trace
            .events
            .iter()
            .any(|event| event.name.starts_with("a timeout of #"))
    );
}

#[test]
fn a_panic_of_main_completes_the_file() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let mut runtime = runtime(&path);
    let panics = || {
        runtime.run(|| {
            spawn(park);
            yield_now();
            panic!("on purpose");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let trace = chrome::read(&path);
    assert_eq!(trace.stops("main").last().unwrap(), "step, then panics");
}

#[test]
fn a_deadlock_completes_the_file() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let outcome = runtime(&path).try_run(park);
    assert!(matches!(outcome, Err(RunError::Deadlock(_))));
    let trace = chrome::read(&path);
    assert!(
        trace
            .events
            .iter()
            .any(|event| event.name.starts_with("deadlock"))
    );
    assert_eq!(
        trace.stops("main").last().unwrap(),
        "step, then is cancelled"
    );
}

#[test]
fn names_are_escaped() {
    let names = [
        "a \"quote\" and \\",
        "</script><!--",
        "käse 🦀",
        "two\nlines\t\u{1}",
        "",
    ];
    let trace = traced(move || {
        for name in names {
            named(name, || ()).join().unwrap();
        }
    });
    for name in &names[..4] {
        trace.lane(name);
    }
}

#[test]
fn virtual_time_jumps_in_the_trace() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let mut runtime = Runtime::builder()
        .trace(&path)
        .virtual_time(true)
        .build()
        .unwrap();
    runtime.run(|| sleep(Duration::from_secs(3600)));
    let trace = chrome::read(&path);
    let [_, after] = trace.of("main", "step")[..] else {
        panic!("two steps");
    };
    assert!(after.ts >= 3_600_000_000_000);
}

#[test]
fn under_a_seed_too() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let mut runtime = Runtime::builder()
        .trace(&path)
        .schedule_seed(7)
        .build()
        .unwrap();
    runtime.run(|| {
        scope(|s| {
            for n in 0..20 {
                s.spawn(move || (0..n).for_each(|_| yield_now()));
            }
        });
    });
    let trace = chrome::read(&path);
    let steps = trace
        .events
        .iter()
        .filter(|event| event.name == "step, then yields");
    assert_eq!(steps.count(), (0..20).sum::<usize>());
}

#[test]
fn tracing_changes_no_order() {
    fn order(mut runtime: Runtime) -> Vec<u32> {
        let order = std::rc::Rc::default();
        let log: std::rc::Rc<std::cell::RefCell<Vec<u32>>> = std::rc::Rc::clone(&order);
        runtime.run(move || {
            let handles: Vec<_> = (0..30u32)
                .map(|n| {
                    let log = log.clone();
                    spawn(move || {
                        for _ in 0..n % 7 {
                            log.borrow_mut().push(n);
                            yield_now();
                        }
                        sleep(Duration::from_millis(u64::from(n % 3)));
                        log.borrow_mut().push(n);
                    })
                })
                .collect();
            handles
                .into_iter()
                .for_each(|handle| handle.join().unwrap());
        });
        order.take()
    }
    let folder = TempDir::new();
    for seed in [None, Some(1), Some(2)] {
        let build = |trace: bool| {
            let mut builder = Runtime::builder().virtual_time(true);
            if let Some(seed) = seed {
                builder = builder.schedule_seed(seed);
            }
            if trace {
                builder = builder.trace(folder.join("trace.json"));
            }
            builder.build().unwrap()
        };
        assert_eq!(order(build(false)), order(build(true)), "{seed:?}");
    }
}

#[test]
fn what_other_threads_spawn() {
    let trace = traced(|| {
        let handle = handle();
        let thread = std::thread::spawn(move || handle.spawn(|| current().id()).join().unwrap());
        let _ = to_thread(|| thread.join().unwrap());
    });
    let spawns = (trace.events.iter())
        .filter(|event| event.tid == trace.lane("loop") && event.name.starts_with("spawns #"));
    assert_eq!(spawns.count(), 2);
}
