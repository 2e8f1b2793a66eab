//! Snapshots: who is alive, what each does and where it is.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use corobin::sync::Mutex;
use corobin::{
    Builder, CoroutineInfo, CoroutineState, Generator, JoinHandle, RunError, Runtime, Snapshot,
    Yielder, current, park, run, scope, sleep, snapshot, spawn, timeout, yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};

fn named(name: &str, f: impl FnOnce() + 'static) -> JoinHandle<()> {
    Builder::new().name(name).spawn(f).unwrap()
}

#[track_caller]
fn find<'a>(snapshot: &'a Snapshot, name: &str) -> &'a CoroutineInfo {
    let is = |info: &&CoroutineInfo| info.name.as_deref() == Some(name);
    let found = snapshot.coroutines.iter().find(is);
    found.unwrap_or_else(|| panic!("no {name} in {snapshot}"))
}

#[track_caller]
fn backtrace_of(snapshot: &Snapshot, name: &str) -> String {
    let info = find(snapshot, name);
    info.backtrace
        .clone()
        .unwrap_or_else(|| panic!("no backtrace of {name} in {snapshot}"))
}

/// Whether `text` has `parts` in this order.
#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let (_, after) = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("no {part} in {text}"));
        rest = after;
    }
}

/// The frame of a test's closure, which optimised code has no symbol for.
fn closure(name: &str) -> &str {
    if cfg!(debug_assertions) { name } else { "" }
}

#[inline(never)]
fn outer_call(f: &dyn Fn()) {
    middle_call(f);
    black_box(());
}

#[inline(always)]
fn middle_call(f: &dyn Fn()) {
    inner_call(f);
    black_box(());
}

#[inline(never)]
fn inner_call(f: &dyn Fn()) {
    f();
    black_box(());
}

#[test]
fn smoke() {
    let snapshot = run(|| {
        named("waiter", || outer_call(&park));
        yield_now();
        snapshot()
    });
    let waiter = find(&snapshot, "waiter");
    assert_eq!(waiter.state, CoroutineState::Parked);
    assert_eq!(waiter.waits_on.as_deref(), Some("unpark"));
    assert!(waiter.spawned_at.file().ends_with("snapshot.rs"));
    assert!(waiter.waits_at.unwrap().file().ends_with(".rs"));
    assert!(0 < waiter.stack_used && waiter.stack_used < waiter.stack_size);
    assert_eq!(waiter.stack_size, 256 << 10);
    let backtrace = waiter.backtrace.as_deref().unwrap();
    assert_in_order(backtrace, &["inner_call", "outer_call", closure("smoke")]);
    let file = closure("tests/snapshot.rs:");
    assert!(backtrace.contains(file), "{backtrace}");
}

#[test]
fn each_state_is_told() {
    let snapshot = in_virtual_time(|| {
        named("parked", park);
        named("ready", yield_now);
        yield_now();
        named("new", park);
        snapshot()
    });
    let state = |name| find(&snapshot, name).state;
    assert_eq!(state("main"), CoroutineState::Running);
    assert_eq!(state("parked"), CoroutineState::Parked);
    assert_eq!(state("ready"), CoroutineState::Ready);
    assert_eq!(state("new"), CoroutineState::New);
    assert_eq!(find(&snapshot, "new").backtrace, None);
    assert_eq!(find(&snapshot, "ready").waits_on, None);
}

#[test]
fn one_that_was_woken_waits_no_more() {
    let snapshot = in_virtual_time(|| {
        let woken = named("woken", park);
        yield_now();
        woken.coroutine().unpark();
        snapshot()
    });
    let woken = find(&snapshot, "woken");
    assert_eq!(woken.state, CoroutineState::Ready);
    assert_eq!((&woken.waits_on, woken.waits_since), (&None, None));
}

#[test]
fn ages_and_waits_are_told() {
    let snapshot = in_virtual_time(|| {
        sleep(secs(5));
        named("old", || {
            sleep(secs(10));
            park();
        });
        sleep(secs(12));
        named("young", park);
        sleep(secs(3));
        snapshot()
    });
    let waits = |name| snapshot.taken_at - find(&snapshot, name).waits_since.unwrap();
    assert_eq!(find(&snapshot, "main").age, secs(20));
    assert_eq!(find(&snapshot, "old").age, secs(15));
    assert_eq!(find(&snapshot, "young").age, secs(3));
    assert_eq!(waits("old"), secs(5));
    assert_eq!(waits("young"), secs(3));
    let text = snapshot.to_string();
    assert!(text.contains(" for 5.0 s; 15.0 s old"), "{text}");
}

#[test]
fn who_asks_is_shown_where_it_asks() {
    let snapshot = run(|| {
        let answer = RefCell::new(None);
        outer_call(&|| *answer.borrow_mut() = Some(snapshot()));
        answer.into_inner().unwrap()
    });
    let backtrace = backtrace_of(&snapshot, "main");
    assert_in_order(
        &backtrace,
        &["inner_call", "outer_call", closure("who_asks")],
    );
    assert!(!backtrace.contains("corobin::"), "{backtrace}");
}

#[test]
fn inlined_functions_are_shown() {
    if !cfg!(debug_assertions) {
        // Without debug information nobody knows of them.
        return;
    }
    let snapshot = run(|| {
        named("waiter", || outer_call(&park));
        yield_now();
        snapshot()
    });
    let backtrace = backtrace_of(&snapshot, "waiter");
    assert_in_order(&backtrace, &["inner_call", "middle_call", "outer_call"]);
}

#[test]
fn nothing_but_the_users_frames() {
    let snapshot = run(|| {
        named("in frames", || {
            let _ = timeout(secs(1000), || scope(|_| outer_call(&park)));
        });
        yield_now();
        snapshot()
    });
    let backtrace = backtrace_of(&snapshot, "in frames");
    assert_in_order(
        &backtrace,
        &["inner_call", "outer_call", closure("nothing_but")],
    );
    for internal in [
        "corobin::",
        "corosensei",
        "catch_unwind",
        "FnOnce",
        "__rust_try",
    ] {
        assert!(!backtrace.contains(internal), "{internal} in {backtrace}");
    }
}

#[test]
fn a_generator_is_shown_inside_its_coroutine() {
    let snapshot = run(|| {
        named("outer", || {
            let mut inner = Generator::new(|y: &Yielder<()>| {
                outer_call(&park);
                y.yield_(());
            });
            middle_call(&|| ());
            next_of(&mut inner);
        });
        yield_now();
        snapshot()
    });
    let backtrace = backtrace_of(&snapshot, "outer");
    assert_in_order(
        &backtrace,
        &[
            "inner_call",
            "outer_call",
            "next_of",
            closure("a_generator"),
        ],
    );
    // It was suspended on the generator's stack.
    assert_eq!(find(&snapshot, "outer").state, CoroutineState::Parked);
}

#[inline(never)]
fn next_of(generator: &mut Generator<()>) {
    generator.next();
    black_box(());
}

#[test]
fn a_destructor_that_waits_is_shown() {
    let snapshot = in_virtual_time(|| {
        let cancelled = named("unwinding", || {
            let _guard = OnDrop(|| outer_call(&|| sleep(secs(1))));
            park();
        });
        yield_now();
        cancelled.cancel();
        yield_now();
        let snapshot = snapshot();
        drop(cancelled.join());
        snapshot
    });
    let backtrace = backtrace_of(&snapshot, "unwinding");
    assert_in_order(&backtrace, &["inner_call", "outer_call"]);
}

#[inline(never)]
fn ask() -> Snapshot {
    black_box(snapshot())
}

#[test]
fn small_stacks_suffice_for_who_is_shown_and_who_asks() {
    let snapshot = run(|| {
        let small = |name: &str| Builder::new().name(name).stack_size(16 << 10);
        let _waiter = small("waiter").spawn(|| outer_call(&park)).unwrap();
        yield_now();
        small("asks").spawn(ask).unwrap().join().unwrap()
    });
    assert_in_order(
        &backtrace_of(&snapshot, "waiter"),
        &["inner_call", "outer_call"],
    );
    assert!(backtrace_of(&snapshot, "asks").contains("snapshot::ask"));
}

#[test]
fn a_deep_stack_is_cut() {
    #[inline(never)]
    fn recurse(depth: u32) {
        match depth {
            0 => park(),
            _ => recurse(depth - 1),
        }
        black_box(depth);
    }
    let snapshot = run(|| {
        named("deep", || recurse(300));
        yield_now();
        snapshot()
    });
    let backtrace = backtrace_of(&snapshot, "deep");
    assert!(backtrace.matches("recurse").count() > 50, "{backtrace}");
}

#[test]
fn everybody_goes_on_as_if_nothing_had_been() {
    for seed in 0..20 {
        let mut runtime = Runtime::builder()
            .virtual_time(true)
            .schedule_seed(seed)
            .build()
            .unwrap();
        let order = |looks: bool, runtime: &mut Runtime| {
            runtime.run(|| {
                let order = RefCell::new(Vec::new());
                scope(|s| {
                    for n in 0..20_u64 {
                        let order = &order;
                        s.spawn(move || {
                            for step in 0..n % 5 {
                                let _ = timeout(secs(1 + n % 3), || sleep(secs(n % 4)));
                                order.borrow_mut().push((n, step));
                                yield_now();
                            }
                        });
                    }
                    for _ in 0..10 {
                        if looks {
                            assert!(!snapshot().coroutines.is_empty());
                        }
                        sleep(secs(1));
                    }
                });
                order.into_inner()
            })
        };
        assert_eq!(order(false, &mut runtime), order(true, &mut runtime));
    }
}

#[test]
fn equal_stacks_are_told_once() {
    let snapshot = run(|| {
        for _ in 0..100 {
            spawn(|| outer_call(&park));
        }
        yield_now();
        snapshot()
    });
    let text = snapshot.to_string();
    assert!(text.contains("100 coroutines: #"), "{text}");
    assert_eq!(text.matches("outer_call").count(), 1, "{text}");
}

#[test]
fn ten_thousand_are_shown() {
    let snapshot = run(|| {
        for n in 0..10_000 {
            if n % 2 == 0 {
                spawn(|| outer_call(&park));
            } else {
                spawn(|| inner_call(&|| sleep(secs(1000))));
            }
        }
        yield_now();
        snapshot()
    });
    assert_eq!(snapshot.coroutines.len(), 10_001);
    assert!(
        snapshot
            .coroutines
            .iter()
            .all(|info| info.backtrace.is_some())
    );
    assert_eq!(
        snapshot.to_string().matches("5000 coroutines: #").count(),
        2
    );
}

/// Coroutines with these names, of which each joins the next, and the last one the first.
fn circle(names: &'static [&'static str]) {
    let handles: Rc<RefCell<Vec<Option<JoinHandle<()>>>>> = Rc::default();
    for at in 0..names.len() {
        let all = Rc::clone(&handles);
        let body = move || {
            let next = (at + 1) % names.len();
            let handle = all.borrow_mut()[next].take().unwrap();
            let _ = handle.join();
        };
        let handle = named(names[at], body);
        handles.borrow_mut().push(Some(handle));
    }
}

fn deadlock(f: impl FnOnce()) -> (Snapshot, String) {
    let error = Runtime::new().unwrap().try_run(f).unwrap_err();
    let text = error.to_string();
    match error {
        RunError::Deadlock(snapshot) => (snapshot, text),
        other => panic!("{other}"),
    }
}

#[test]
fn a_deadlock_names_its_circle() {
    let (snapshot, text) = deadlock(|| {
        circle(&["left", "right", "top"]);
        named("bystander", park);
        park();
    });
    let cycles = snapshot.cycles();
    let names: Vec<_> = cycles[0]
        .iter()
        .map(|info| info.name.as_deref().unwrap())
        .collect();
    assert_eq!(cycles.len(), 1);
    assert_eq!(names, ["left", "right", "top"]);
    let (_, circle) = text.split_once("a circle,").unwrap();
    let end = circle.find("\n\n").unwrap();
    let circle = &circle[..end];
    assert_in_order(
        circle,
        &[
            "'left'", "held by", "'right'", "held by", "'top'", "held by",
        ],
    );
    assert!(!circle.contains("bystander"), "{circle}");
}

#[test]
fn a_deadlock_of_locks_names_them() {
    let (snapshot, text) = deadlock(|| {
        let locks = [Rc::new(Mutex::new(())), Rc::new(Mutex::new(()))];
        for (name, at) in [("forwards", 0), ("backwards", 1)] {
            let [one, other] = [at, 1 - at].map(|at| Rc::clone(&locks[at]));
            named(name, move || {
                let _one = one.lock();
                yield_now();
                let _other = other.lock();
            });
        }
        park();
    });
    let cycles = snapshot.cycles();
    assert_eq!(cycles.len(), 1);
    let names = cycles[0].iter().map(|info| info.name.as_deref());
    assert_eq!(
        names.collect::<Vec<_>>(),
        [Some("forwards"), Some("backwards")]
    );
    let (_, circle) = text.split_once("a circle,").unwrap();
    assert_in_order(
        circle,
        &[
            "'forwards'",
            "held by",
            "'backwards'",
            "'backwards'",
            "held by",
        ],
    );
}

#[test]
fn a_deadlock_without_a_circle_names_none() {
    let (snapshot, text) = deadlock(|| {
        let other = named("other", park);
        let _ = other.join();
    });
    assert!(snapshot.cycles().is_empty());
    assert!(!text.contains("a circle,"), "{text}");
    assert_eq!(
        find(&snapshot, "main").held_by,
        [find(&snapshot, "other").id]
    );
}

#[test]
fn a_deadlock_shows_where_each_is() {
    let (snapshot, text) = deadlock(|| outer_call(&park));
    assert_in_order(
        &backtrace_of(&snapshot, "main"),
        &["inner_call", "outer_call"],
    );
    assert_in_order(&text, &["deadlock", "'main'", "inner_call", "outer_call"]);
}

#[test]
fn json_is_what_the_documentation_says() {
    let strange = "a \"name\"\twith \\ and \u{1f980}";
    let (snapshot, json) = in_virtual_time(|| {
        circle(&["left", "right"]);
        named(strange, || sleep(secs(10)));
        sleep(secs(2));
        spawn(|| ());
        let snapshot = snapshot();
        let json = snapshot.to_json();
        (snapshot, json)
    });
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let all = json["coroutines"].as_array().unwrap();
    assert_eq!(all.len(), snapshot.coroutines.len());
    let id = |name| {
        let at = all.iter().position(|info| info["name"] == name).unwrap();
        (all[at]["id"].as_u64().unwrap(), &all[at])
    };
    let (main, info) = id("main");
    assert_eq!(info["parent"], serde_json::Value::Null);
    assert_eq!(info["state"], "running");
    assert_eq!(info["age"], 2.0);
    let (_, info) = id(strange);
    assert_eq!(info["parent"], main);
    assert_eq!(info["state"], "parked");
    assert_eq!(info["waits_for"], 2.0);
    assert_eq!(info["waits_at"]["file"], file!());
    assert!(info["waits_at"]["line"].as_u64() > Some(100));
    assert!(info["spawned_at"]["column"].is_u64());
    assert!(info["stack_used"].as_u64() < info["stack_size"].as_u64());
    assert!(
        info["backtrace"]
            .as_str()
            .unwrap()
            .contains(closure("json_is"))
    );
    let ((left, info), (right, _)) = (id("left"), id("right"));
    assert_eq!(info["held_by"], serde_json::json!([right]));
    assert_eq!(json["cycles"], serde_json::json!([[left, right]]));
    let new = all.iter().find(|info| info["state"] == "new").unwrap();
    for field in ["name", "waits_on", "waits_at", "waits_for", "backtrace"] {
        assert!(new[field].is_null(), "{field}: {new}");
    }
}

#[test]
fn a_graph_shows_who_waits_for_whom() {
    let (snapshot, dot) = run(|| {
        circle(&["left", "right"]);
        let quoted = named("with \"quotes\"", park);
        named("joins", || drop(quoted.join()));
        yield_now();
        yield_now();
        let snapshot = snapshot();
        let dot = snapshot.to_dot();
        (snapshot, dot)
    });
    let arrow = |from, to| {
        let id = |name| find(&snapshot, name).id.to_string();
        format!("  {} -> {}", &id(from)[1..], &id(to)[1..])
    };
    assert!(dot.starts_with("digraph") && dot.ends_with("}\n"), "{dot}");
    assert!(
        dot.contains(&(arrow("left", "right") + " [color=red")),
        "{dot}"
    );
    assert!(
        dot.contains(&(arrow("right", "left") + " [color=red")),
        "{dot}"
    );
    assert!(
        dot.contains(&(arrow("joins", "with \"quotes\"") + ";")),
        "{dot}"
    );
    assert_eq!(dot.matches("->").count(), 3, "{dot}");
    assert!(dot.contains(r#"with \"quotes\""#), "{dot}");
}

#[test]
fn the_tree_is_by_parent() {
    let text = run(|| {
        named("parent", || {
            named("child", || {
                named("grandchild", park);
                park();
            });
            park();
        });
        (0..3).for_each(|_| yield_now());
        assert_eq!(current().name(), Some("main"));
        snapshot().to_string()
    });
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
    let indent = |name: &str| line(name).find('#').unwrap();
    assert_eq!(
        ["'main'", "'parent'", "'child'", "'grandchild'"].map(indent),
        [0, 2, 4, 6]
    );
}

/// Calls `f` some 100 KB further down.
#[inline(never)]
fn deep_down(f: &dyn Fn()) {
    let room = std::hint::black_box([0_u8; 100_000]);
    f();
    std::hint::black_box(&room);
}

/// Calls `f` with so many frames above it.
#[inline(never)]
fn many_calls_down(count: u32, f: &dyn Fn()) {
    match count {
        0 => f(),
        _ => many_calls_down(std::hint::black_box(count - 1), f),
    }
    std::hint::black_box(count);
}

#[test]
fn stack_used_is_told_whatever_a_coroutine_does() {
    let in_a_generator = || {
        let mut generator = corobin::Generator::new(|_: &corobin::Yielder<()>| park());
        generator.next();
    };
    let deep_in_a_generator = |f: fn()| {
        let body = move |_: &corobin::Yielder<()>| many_calls_down(300, &f);
        corobin::Generator::new(body).next();
    };
    let (infos, own) = run(move || {
        named("parked", || deep_down(&park));
        named("ready", || deep_down(&yield_now));
        named("in a generator", move || deep_down(&in_a_generator));
        named("deep in one", move || {
            deep_down(&|| deep_in_a_generator(park))
        });
        named("ready in one", move || {
            deep_down(&|| deep_in_a_generator(yield_now));
        });
        yield_now();
        let own = std::cell::Cell::new(0);
        deep_down(&|| {
            own.set(find(&snapshot(), "main").stack_used);
        });
        deep_in_a_generator(|| {
            let main = find(&snapshot(), "main").stack_used;
            assert!(main < 250_000, "main in a generator: {main}");
        });
        (snapshot(), own.get())
    });
    if find(&infos, "ready").backtrace.is_none() {
        return;
    }
    let names = [
        "parked",
        "ready",
        "in a generator",
        "deep in one",
        "ready in one",
    ];
    for name in names {
        let used = find(&infos, name).stack_used;
        assert!((100_000..250_000).contains(&used), "{name}: {used}");
    }
    assert!((100_000..250_000).contains(&own), "main: {own}");
}
