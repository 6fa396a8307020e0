"""The table of contents of a report: what a Plan says, most important first."""

from __future__ import annotations

from optimiser.planning.plan import Plan
from optimiser.report import basis, choices, cost, fleet, footprint, headline, routing, sites, stages, week
from optimiser.report import explain as explained
from optimiser.report.document import Document, Section

_AFTER_THE_WEEK = 4


def document(plan: Plan, *, explain: bool = False) -> Document:
    """The report of a plan; explain adds what binds, what was rejected and the next best."""
    sections = [
        Section(fleet.title(plan), fleet.blocks(plan)),
        Section("Cost", cost.blocks(plan)),
        Section("Against the baselines", cost.savings(plan)),
        Section(week.title(plan), (week.chart(plan),)),
        Section("Each cloud alone, and mixing sites", choices.by_provider(plan)),
        Section("What the rules cost", choices.rule_costs(plan)),
        Section("Quota to ask for", choices.quotas(plan)),
        Section("Prices", basis.prices(plan)),
        Section("Estimate", basis.estimates(plan)),
        Section("Proof", basis.proof(plan)),
    ]
    if plan.footprint is not None:
        sections.insert(_AFTER_THE_WEEK, Section("Energy and carbon", footprint.blocks(plan)))
    if plan.services[0].routing == "by_size":
        sections.insert(1, Section("Which sizes go where", routing.blocks(plan)))
    if plan.sites:
        sections.insert(1, Section("Which site serves how much", sites.blocks(plan)))
    if plan.while_owned:
        sections.insert(0, Section("While owned machines last", stages.blocks(plan)))
    if explain:
        sections += [
            Section("Rules", explained.rules(plan)),
            Section("What if", explained.what_ifs(plan)),
            Section("If a price or an estimate is off", explained.sensitivity(plan)),
            Section("Start-up", explained.start_up(plan)),
            Section("Alternatives", choices.alternatives(plan)),
            Section("Rejected", explained.rejections(plan)),
        ]
    sections += [
        Section("Policy in force", basis.policy(plan)),
        Section("Not included", basis.not_included(plan)),
        Section("Notes", plan.notes),
    ]
    return Document(headline.headline(plan), tuple(sections))
