//! A strict reader of Chrome traces: what a viewer would shrug off fails.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value};

/// One event, with its times in nanoseconds.
#[derive(Debug, Clone)]
pub struct Event {
    pub phase: char,
    pub name: String,
    pub cat: String,
    pub tid: u64,
    pub ts: u64,
    pub dur: u64,
    pub id: u64,
    pub args: Map<String, Value>,
}

#[derive(Debug)]
pub struct Trace {
    /// In the order of their times.
    pub events: Vec<Event>,
    pub lanes: BTreeMap<u64, String>,
}

/// Reads a whole trace and checks that it is sound.
pub fn read(path: &Path) -> Trace {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with("\n]\n"), "the end is missing");
    let trace = parse(&text);
    trace.check(true);
    trace
}

/// Reads what a process that died has left, maybe in the middle of a write: all but
/// the end.
pub fn read_cut_off(text: &str) -> Trace {
    let (whole, _) = text.rsplit_once(",\n").unwrap();
    let trace = parse(&format!("{whole}]"));
    trace.check(false);
    trace
}

fn parse(text: &str) -> Trace {
    let value: Value = serde_json::from_str(text).unwrap();
    let mut events: Vec<Event> = Vec::new();
    let mut lanes = BTreeMap::new();
    for value in value.as_array().unwrap() {
        let event = event(value.as_object().unwrap());
        if event.phase == 'M' {
            if event.name == "thread_name" {
                let name = event.args["name"].as_str().unwrap().to_owned();
                assert!(
                    lanes.insert(event.tid, name).is_none(),
                    "a lane named twice"
                );
            }
        } else {
            events.push(event);
        }
    }
    // As viewers do: stable.
    events.sort_by_key(|event| event.ts);
    Trace { events, lanes }
}

fn event(fields: &Map<String, Value>) -> Event {
    let phase = fields["ph"].as_str().unwrap();
    let (needed, allowed): (&[&str], &[&str]) = match phase {
        "M" => (&["name", "args"], &["tid"]),
        "X" => (&["name", "tid", "ts", "dur", "cat"], &["args"]),
        "B" => (&["name", "tid", "ts", "cat"], &["args"]),
        "E" => (&["tid", "ts"], &[]),
        "i" => (&["name", "tid", "ts", "s"], &["args"]),
        "s" => (&["name", "tid", "ts", "cat", "id"], &[]),
        "f" => (&["name", "tid", "ts", "cat", "id", "bp"], &[]),
        _ => panic!("an unknown phase: {fields:?}"),
    };
    for key in fields.keys() {
        let known = [needed, allowed, &["ph", "pid"]].concat();
        assert!(known.contains(&key.as_str()), "{key}: {fields:?}");
    }
    for key in needed.iter().chain(&["pid"]) {
        assert!(fields.contains_key(*key), "no {key}: {fields:?}");
    }
    assert!(fields["pid"].as_u64().is_some_and(|pid| pid > 0));
    let number = |key: &str| fields.get(key).map_or(0, |value| value.as_u64().unwrap());
    let nanos = |key: &str| {
        fields.get(key).map_or(0, |value| {
            let micros = value.as_f64().unwrap();
            assert!(micros >= 0.0);
            (micros * 1000.0).round() as u64
        })
    };
    let text = |key: &str| {
        let value = fields.get(key).map(|value| value.as_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    match text("s").as_str() {
        "" | "t" | "g" => {}
        scope => panic!("an unknown scope {scope}"),
    }
    assert!(fields.get("bp").is_none_or(|point| point == "e"));
    let tid = number("tid");
    assert!(u32::try_from(tid).is_ok());
    assert_eq!(
        tid == 0,
        !fields.contains_key("tid"),
        "lane 0 is the idle one"
    );
    let args = fields.get("args").map(|args| args.as_object().unwrap());
    Event {
        phase: phase.chars().next().unwrap(),
        name: text("name"),
        cat: text("cat"),
        tid,
        ts: nanos("ts"),
        dur: nanos("dur"),
        id: number("id"),
        args: args.cloned().unwrap_or_default(),
    }
}

impl Trace {
    fn check(&self, whole: bool) {
        // The open slices of each lane: when each ends, if that is known.
        let mut open: HashMap<u64, Vec<Option<u64>>> = HashMap::new();
        let mut arrows: HashMap<u64, &Event> = HashMap::new();
        let mut running_until = 0;
        for event in &self.events {
            assert!(
                self.lanes.contains_key(&event.tid),
                "a lane without a name: {event:?}"
            );
            let slices = open.entry(event.tid).or_default();
            while slices
                .last()
                .is_some_and(|end| end.is_some_and(|end| end <= event.ts))
            {
                slices.pop();
            }
            match event.phase {
                'B' => slices.push(None),
                'E' => assert_eq!(slices.pop(), Some(None), "{event:?} ends nothing"),
                'X' => {
                    let end = event.ts + event.dur;
                    for outer in slices.iter() {
                        assert!(
                            outer.is_some_and(|outer| end <= outer),
                            "{event:?} overlaps"
                        );
                    }
                    slices.push(Some(end));
                    if event.cat == "step" {
                        assert!(running_until <= event.ts, "two run at once: {event:?}");
                        running_until = end;
                    }
                }
                's' => {
                    assert!(!whole || !slices.is_empty(), "{event:?} starts nowhere");
                    assert!(arrows.insert(event.id, event).is_none(), "{event:?}");
                }
                'f' => {
                    assert!(!slices.is_empty(), "{event:?} ends nowhere");
                    let start = arrows.remove(&event.id).expect("an arrow has a start");
                    assert_eq!((&start.name, &start.cat), (&event.name, &event.cat));
                }
                'i' => {}
                _ => unreachable!(),
            }
        }
        if whole {
            for (tid, slices) in open {
                assert!(slices.iter().all(Option::is_some), "lane {tid} is open");
            }
        }
    }

    /// The lane with this name, whatever its number.
    pub fn lane(&self, name: &str) -> u64 {
        let mut found = self.lanes.iter().filter(|(_, lane)| {
            lane.as_str() == name || lane.split_once(' ').is_some_and(|(_, own)| own == name)
        });
        let lane = found.next().unwrap_or_else(|| panic!("no lane {name}"));
        assert!(found.next().is_none(), "two lanes {name}");
        *lane.0
    }

    /// The events of one category in one lane.
    pub fn of(&self, lane: &str, cat: &str) -> Vec<&Event> {
        let tid = self.lane(lane);
        let events = self.events.iter();
        events
            .filter(|event| event.tid == tid && event.cat == cat && "XB".contains(event.phase))
            .collect()
    }

    /// Why each step of a lane has ended.
    pub fn stops(&self, lane: &str) -> Vec<String> {
        let steps = self.of(lane, "step");
        steps.iter().map(|step| step.name.clone()).collect()
    }

    /// The lane from which an arrow leads to this event.
    pub fn cause_of(&self, step: &Event) -> Option<&str> {
        let to = (self.events.iter())
            .find(|event| event.phase == 'f' && event.tid == step.tid && event.ts == step.ts)?;
        let from = (self.events.iter())
            .find(|event| event.phase == 's' && event.id == to.id)
            .unwrap();
        Some(&self.lanes[&from.tid])
    }
}
