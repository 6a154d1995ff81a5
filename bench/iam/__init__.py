"""IAM's decisions, as far as this project's policies need them: pure, without AWS and without LocalStack.

No maintained evaluator fitted: moto's looks at neither resources nor conditions of a role's policies, and the complete
ones are not Python. So this one is small, and refuses what it does not know instead of guessing.
"""
