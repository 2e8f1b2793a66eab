//! ureq's agents, as the tests of its bridge use them.
#![allow(dead_code, reason = "not every file uses all of it")]

use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::AgentScope;
use ureq::{Agent, Error};

/// Whatever proxy the environment asks for, the server is here.
pub fn config() -> ConfigBuilder<AgentScope> {
    Config::builder().proxy(None)
}

pub fn agent() -> Agent {
    corobin::ureq::agent_with(config().build())
}

pub fn get(agent: &Agent, url: &str) -> Result<String, Error> {
    agent.get(url).call()?.body_mut().read_to_string()
}
