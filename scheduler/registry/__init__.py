"""The role registry: `roles.yaml` → drafts → roles with checked assets."""

from __future__ import annotations

from scheduler.prompts.variables import Variable
from scheduler.registry.loading import RolesError, load_roles
from scheduler.registry.role import Role
from scheduler.registry.roles_file import RoleDraft
from scheduler.yaml_files import Problem

__all__ = ["Problem", "Role", "RoleDraft", "RolesError", "Variable", "load_roles"]
