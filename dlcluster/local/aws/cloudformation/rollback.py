"""RollbackStack: a deployment that failed and was left as it was is taken back later."""

from __future__ import annotations

from dlcluster.local.aws.cloudformation.deploy import Create
from dlcluster.local.aws.cloudformation.update import Update


class RollBackCreation(Create):
    """Removes what the creation had made."""

    def run(self) -> None:
        self.take_back("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


class RollBackUpdate(Update):
    """Deploys the last template that had been deployed in full.

    What the failed update had replaced is replaced once more; AWS would bring the old resource back.
    """

    def run(self) -> None:
        self.roll_back()

    def roll_back(self, skip: frozenset[str] = frozenset()) -> None:
        """Once more for ContinueUpdateRollback; resources to skip are tried like the others."""
        self.stopped.clear()
        self.failed.clear()
        reason = self.deploy()
        if reason:
            self._leave()
            self.stack.set_status("UPDATE_ROLLBACK_FAILED", reason)
        else:
            self.commit("UPDATE_ROLLBACK_COMPLETE")
