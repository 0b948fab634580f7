//! RACK-TLP on a scoreboard of its own.
