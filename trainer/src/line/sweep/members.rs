//! Runs on other machines: each run of a round is a member of an array, which a scheduler such as
//! Slurm or Kubernetes starts in a process of its own, with a folder that all of them share.
//!
//! A member does its run in the folder that the run has in any sweep, so that nothing tells later who
//! did it. The members of a round depend on nothing but the results of the rounds before.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, bail};
use inkling_support::console;

use super::folder::Identity;
use super::progress::Board;
use super::run::{Outcome, Place, SweepRun};
use super::{Design, Opened, RUNS, Ranking, Sweep};
use crate::learn::backend::Backend;

/// Where schedulers say which member of an array a process is, counted from 0.
const SCHEDULERS: [(&str, &str); 2] =
    [("SLURM_ARRAY_TASK_ID", "Slurm"), ("JOB_COMPLETION_INDEX", "Kubernetes")];

/// A run of a sweep by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Counted from 1.
    pub round: usize,
    /// Counted from 0, as schedulers do.
    pub number: usize,
}

impl Member {
    /// The member that was `asked` for, or else the one that the scheduler started, whose variables
    /// `variable` gives.
    ///
    /// # Errors
    ///
    /// One line: no scheduler, one that says no number, or two that contradict each other.
    pub fn new(
        round: usize,
        asked: Option<usize>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        if let Some(number) = asked {
            return Ok(Self { round, number });
        }
        let mut found: Option<(&str, usize)> = None;
        for (name, _) in SCHEDULERS {
            let Some(value) = variable(name) else { continue };
            let value = value.to_string_lossy().into_owned();
            let number = value.parse().ok().with_context(|| {
                format!("{name} is {value:?}, but must be the number of a member; give --member K")
            })?;
            if let Some((other, another)) = found.filter(|(_, another)| *another != number) {
                bail!("{other} is {another}, but {name} is {number}; say which with --member K");
            }
            found = Some((name, number));
        }
        let Some((_, number)) = found else {
            let names = SCHEDULERS.map(|(name, of)| format!("{name} ({of})")).join(" and ");
            bail!("--member has no number, and {names} are not set; give --member K");
        };
        Ok(Self { round, number })
    }
}

impl Design {
    /// How many members each round has.
    pub fn members(&self) -> Vec<usize> {
        self.rounds.iter().map(|round| round.trials * self.plan.seeds).collect()
    }

    /// How many members a round has, which is counted from 1.
    ///
    /// # Errors
    ///
    /// One line: there is no such round.
    pub fn members_of(&self, round: usize) -> Result<usize, String> {
        let members = self.members();
        let found = round.checked_sub(1).and_then(|index| members.get(index));
        found.copied().ok_or_else(|| match members.len() {
            1 => format!("--round {round}: this sweep has one round"),
            count => format!("--round {round}: this sweep has the rounds 1 to {count}"),
        })
    }

    /// What the first `rounds` rounds came to, of results that are there.
    ///
    /// # Errors
    ///
    /// One line: the members that have none.
    fn ranked(&self, rounds: usize, images: usize, runs: &Path) -> Result<Ranking> {
        self.rank(rounds, images, |round, members| {
            let outcomes: Vec<Option<Outcome>> =
                members.iter().map(|run| run.outcome(runs)).collect::<Result<_>>()?;
            let missing: Vec<usize> =
                (0..members.len()).filter(|&member| outcomes[member].is_none()).collect();
            if !missing.is_empty() {
                bail!(
                    "{}: round {} has no result of {} of its {} members: {}; run them first, as \
                     --round {} --member K",
                    runs.display(),
                    round + 1,
                    missing.len(),
                    members.len(),
                    ranges(&missing),
                    round + 1
                );
            }
            Ok(outcomes.into_iter().flatten().collect())
        })
    }
}

impl Sweep {
    /// Does one run, in the folder that all members share; one that is through already is left as it
    /// is. Of the earlier rounds every result must be there.
    pub fn run_member(self, member: Member) -> Result<()> {
        let design = Design::open(&self.file)?;
        let Member { round, number } = member;
        let in_file = || self.file.display().to_string();
        let count = design.members_of(round).map_err(anyhow::Error::msg).with_context(in_file)?;
        if number >= count {
            bail!(
                "{}: --member {number}: round {round} has {count} members, 0 to {}",
                in_file(),
                count - 1
            );
        }
        let Opened { design, out, material, .. } = &self.open(design)?;
        let backend = Backend::start(self.backend, self.ort_lib.clone())?;
        Identity::new(design, material, Some(&backend))?.share(out)?;
        let runs = out.join(RUNS);
        let before = design.ranked(round - 1, material.validation_images(), &runs)?;
        let run = &design.runs(design.rounds[round - 1], &before.left)[number];
        let SweepRun { trial, seed, recipe } = run;
        console::print(&format!(
            "backend:  {}\nmember:   {number} of 0 to {} in round {round}: trial {trial}, seed {seed}, \
             {} epochs\nrecipe:   {recipe}\n",
            backend.description(),
            count - 1,
            recipe.epochs,
        ));
        let done = run.outcome(&runs)?.is_some();
        let place = Place { backend: &backend, material, runs: &runs };
        run.run(&place, &Board::new(1, recipe.epochs))?;
        let folder = runs.join(run.folder());
        let before = if done { ", done before" } else { "" };
        console::print(&format!("files:    {}{before}\n", folder.display()));
        Ok(())
    }

    /// Tells what all members came to, as a sweep on one machine does. It needs no backend.
    pub fn collect(self) -> Result<()> {
        let opened = self.open(Design::open(&self.file)?)?;
        let Opened { design, out, material, .. } = &opened;
        if !Identity::new(design, material, None)?.is_of(out)? {
            bail!("{}: there is no sweep; run its members with this --out first", out.display());
        }
        let images = material.validation_images();
        let ranking = design.ranked(design.rounds.len(), images, &out.join(RUNS))?;
        self.tell(&opened, &ranking.scores)
    }
}

/// Rising numbers as schedulers take them: `3,7-9`.
fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        run => run[0].to_string(),
    });
    runs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{Member, ranges};

    #[test]
    fn numbers_are_joined_to_ranges() {
        assert_eq!(ranges(&[3, 7, 8, 9, 11, 12]), "3,7-9,11-12");
        assert_eq!(ranges(&[0]), "0");
    }

    #[test]
    fn a_member_is_asked_for_or_told_by_the_scheduler() {
        let with = |asked: Option<usize>, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            };
            Member::new(2, asked, variable).map(|member| (member.round, member.number))
        };
        const SLURM: &str = "SLURM_ARRAY_TASK_ID";
        const KUBERNETES: &str = "JOB_COMPLETION_INDEX";
        let good = |asked, variables| with(asked, variables).expect("a number");
        assert_eq!(good(None, &[(SLURM, "7")]), (2, 7));
        assert_eq!(good(None, &[(KUBERNETES, "0")]), (2, 0));
        assert_eq!(good(None, &[(KUBERNETES, "4"), (SLURM, "4")]), (2, 4));
        assert_eq!(good(Some(3), &[(SLURM, "7")]), (2, 3));
        let bad = |variables, part: &str| {
            let error = with(None, variables).expect_err(part).to_string();
            assert!(error.contains(part) && error.lines().count() == 1, "{error}");
        };
        bad(&[], "SLURM_ARRAY_TASK_ID (Slurm) and JOB_COMPLETION_INDEX (Kubernetes) are not set");
        bad(&[(SLURM, "4294967294.5")], "SLURM_ARRAY_TASK_ID is \"4294967294.5\"");
        bad(&[(SLURM, "")], "SLURM_ARRAY_TASK_ID is \"\"");
        bad(
            &[(SLURM, "1"), (KUBERNETES, "2")],
            "SLURM_ARRAY_TASK_ID is 1, but JOB_COMPLETION_INDEX",
        );
    }
}
